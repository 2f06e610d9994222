"""The error tree: every failure a person can meet, and nothing else.

The class says whose fault it is, the attributes hold the facts, ``hint`` is what to type next and
``exit_code`` is what the process ends with (the sysexits numbers that DESIGN.md lists).

    D8Error                       1   a failure that has no better name below
    ├── UsageError                2   the command line
    ├── DocumentError            65   a manifest, a lock, or what they ask for
    │   ├── StaleLockError       65   the lock does not say what the manifests want
    │   └── ConflictError        65   two requesters cannot both be right
    ├── UnreachableError         69   no source answers, or its certificate is not trusted
    ├── NotFoundError            69   the source answers; the image, version or platform is not there
    ├── DiskError                73   the operating system refused a file operation
    ├── TryAgainError            75   the same command may work later (429, 5xx, a cut transfer, a held lock)
    ├── MismatchError            76   what arrived is not what was promised
    ├── NotAllowedError          77   401, 403, or a place that is not ours to write
    └── ConfigError              78   configuration, flags of trust, a home of another schema
        └── AbsentSourceError    78   the file or directory that a local source is, is not there

Anything that is not a D8Error is our bug and ends with 70 (``cli.main`` alone catches it); an interrupt
ends with 130. Messages are one lowercase clause, without a final stop. No message holds a token.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class D8Error(Exception):
    """A failure for the person at the keyboard: one clause, and a hint of what to type next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_json(self) -> dict[str, object]:
        """Return the entry of the envelope's ``errors``: kind, message, hint and exit code."""
        return {
            "kind": type(self).__name__.removesuffix("Error"),
            "message": self.message,
            "hint": self.hint,
            "exit_code": self.exit_code,
        }


class UsageError(D8Error):
    """The command line asks for something that makes no sense."""

    exit_code = 2


_PREDICATES = ("is ", "has ", "holds ", "lists ", "asks ", "cannot ", "names ", "leads ")
"""What a message about a whole file begins with: "d8.lock is missing" is a sentence, "d8.lock: is missing" is not."""


class DocumentError(D8Error):
    """A manifest, lock or other document of the user is malformed; says which file, key and line."""

    exit_code = 65

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        key: str | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        where = (file or "") + (f":{line}" if line is not None else "")
        parts = [part for part in (where, key, message) if part]
        is_about_the_file = file is not None and line is None and key is None and message.startswith(_PREDICATES)
        super().__init__((" " if is_about_the_file else ": ").join(parts), hint=hint)
        self.problem = message
        self.file = file
        self.key = key
        self.line = line

    def at(self, *, file: str | None = None, key: str | None = None, line: int | None = None) -> DocumentError:
        """Return the same error with the facts that only an outer layer knew; known facts stay."""
        return type(self)(
            self.problem,
            file=self.file or file,
            key=self.key or key,
            line=self.line if self.line is not None else line,
            hint=self.hint,
        )


class StaleLockError(DocumentError):
    """The lock is missing or does not match the manifests, and the command may not write it."""


class ConflictError(DocumentError):
    """Two requesters (or two images, or two sides of a merge) want things that exclude each other; names both.

    ``conflicts``: of a merge each image, as the entry of the envelope's ``errors`` has it.
    """

    conflicts: tuple[dict[str, object], ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the entry of the envelope's ``errors``, with what conflicts in a merge."""
        return super().as_json() | ({"conflicts": list(self.conflicts)} if self.conflicts else {})


class UnreachableError(D8Error):
    """No answer from the source: connection, name resolution or certificate."""

    exit_code = 69


class NotFoundError(D8Error):
    """The source answered, and has no such image, version or platform.

    ``image`` is the short name of the image where the source has no image of that name, else None.
    """

    exit_code = 69
    image: str | None = None


class DiskError(D8Error):
    """The operating system refused a file operation."""

    exit_code = 73


class TryAgainError(D8Error):
    """A passing fault: rate limit, upstream failure, a transfer cut short, a lock held too long."""

    exit_code = 75


class MismatchError(D8Error):
    """Bytes, a digest, a tag or an executable's header differ from what was promised."""

    exit_code = 76


class NotAllowedError(D8Error):
    """The source or the operating system says no to this identity."""

    exit_code = 77


class ConfigError(D8Error):
    """Configuration is missing or wrong, or the home belongs to a newer tool."""

    exit_code = 78


class AbsentSourceError(ConfigError):
    """A local source's file or directory is not there: mistyped, or a disk that is not mounted now."""
