"""Verbs that put binaries on PATH: the lines for each shell, and the start-up files that hold them."""
