"""Merging of locks, entry by entry and by value. Without I/O."""
