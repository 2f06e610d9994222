"""Shared by the verbs about named images: the requesters of an image, edits of the manifest, likely misspellings."""
