"""Merging of locks: decides entry by entry, and does no I/O."""
