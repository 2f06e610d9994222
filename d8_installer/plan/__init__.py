"""The plan: what to fetch, link and unlink to get from what is in place to the lock. Without I/O."""
