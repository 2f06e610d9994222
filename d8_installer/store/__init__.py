"""The home on disk: files named by their digest, profiles and their generations. Knows no network."""
