"""The installed command, verb by verb."""
