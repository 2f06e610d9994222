"""The exit codes, from the error tree and its docstrings."""

from __future__ import annotations

from d8_installer import errors
from docs.generate.markdown import code, from_docstring, table

_WITHOUT_CLASS = {
    errors.EXIT_OK: "done",
    1: "failed for a reason that has no other number",
    errors.EXIT_BUG: "a bug in d8-installer",
    errors.EXIT_INTERRUPTED: "interrupted by Ctrl-C; 129 after SIGHUP, 143 after SIGTERM",
}


def table_of_codes() -> str:
    """Return the table: each code, the kinds of errors that end with it, and what each kind means."""
    rows = [[str(number), "", text] for number, text in _WITHOUT_CLASS.items()]
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, errors.D8Error) and cls is not errors.D8Error:
            said = (cls.__doc__ or "").partition("\n\n")[0].partition("; the message")[0].rstrip(".")
            kind = code(cls.__name__.removesuffix("Error"))
            rows.append([str(cls.exit_code), kind, from_docstring(f"{said[0].lower()}{said[1:]}")])
    return table(["code", "`kind` in JSON", "means"], sorted(rows, key=lambda row: int(row[0])))
