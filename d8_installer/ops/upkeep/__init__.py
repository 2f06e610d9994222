"""Verbs that look after a home: garbage collection, verification and repair."""
