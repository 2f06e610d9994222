"""Real binaries through a real registry."""
