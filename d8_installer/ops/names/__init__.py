"""What a typed image name means in a profile: asked for here, locked for others, or a likely misspelling."""
