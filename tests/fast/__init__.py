"""The quick way of a no-op ``sync``."""
