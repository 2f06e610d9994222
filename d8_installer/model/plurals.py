"""How numbers are spelled in messages: things and sizes."""


def counted(number: int, thing: str) -> str:
    """Return ``1 file``, ``2 files``; *thing* is the word for one, whose plural ends with ``s``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def sized(size: int) -> str:
    """Return a number of bytes for people, with one decimal in units of 1000: ``312 B``, ``4.2 kB``, ``13.4 MB``.

    Where two sizes are compared that may differ by a byte, a message gives the numbers themselves.
    """
    if size < 1000:
        return f"{size} B"
    number = size / 1000
    if number < 999.95:
        return f"{number:.1f} kB"
    return f"{number / 1e3:.1f} MB" if number < 999_950 else f"{number / 1e6:.1f} GB"
