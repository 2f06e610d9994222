"""What the verbs about named images share: who requests an image, editing and locking again, likely misspellings."""
