"""Frozen values and protocols, text to value and back; nothing here reads or writes anything."""
