"""The plan: what must be fetched, linked and unlinked to get from the active generation to a lock. No I/O."""
