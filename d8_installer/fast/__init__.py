"""The way of a ``sync`` with nothing to do: it ends before anything of the long way is imported."""
