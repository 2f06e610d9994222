"""How a number of things is said."""


def counted(number: int, thing: str) -> str:
    """Return ``1 file``, ``2 files``; *thing* is the word for one, whose plural ends with ``s``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
