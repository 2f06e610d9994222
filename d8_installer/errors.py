"""The error tree: every failure that a person can meet.

The class says where the fault lies, the attributes hold the facts, ``hint`` is what to type next, and ``exit_code``
is the exit status of the process (the numbers of sysexits.h). ``code`` names the kind of error for people and scripts:
``d8-installer help CODE`` explains it (``cli/troubleshooting.toml``). Each class has a code; an error that the reader
treats in another way than the rest of its class gets its own with ``code=``.

    D8Error                       1   a failure that fits no class below
    ├── UsageError                2   the command line
    ├── DocumentError            65   a manifest, a lock, or what they ask for
    │   ├── StaleLockError       65   the lock does not match the manifests
    │   └── ConflictError        65   two requests exclude each other
    ├── OutOfSyncError           65   `sync --dry-run --exit-code` would change something
    ├── UnreachableError         69   no source answers, or its certificate is not trusted
    ├── NotFoundError            69   the source answers, but does not have the image, version or platform
    ├── DiskError                73   the operating system refused a file operation
    ├── TryAgainError            75   the same command may work later (429, 5xx, a cut transfer, a held lock)
    ├── MismatchError            76   the bytes that arrived are not the promised ones
    ├── NotAllowedError          77   401, 403, or a file that belongs to someone else
    └── ConfigError              78   the configuration, the options of trust, a home with a newer schema
        └── AbsentSourceError    78   the file or directory of a local source does not exist

Any other exception is a bug in the tool and exits with 70 (only ``cli.main`` catches it). An interrupt exits with 130.
A message is one lowercase clause without a full stop, and never contains a token. An outer layer adds what it knows
with ``within``, and in no other way.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, Self

EXIT_OK = 0
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class D8Error(Exception):
    """A failure as the person reads it: one clause, and a hint what to type next."""

    exit_code = 1
    code = "failed"

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def within(self, prefix: str = "", *, more: str = "", hint: str | None = None, code: str | None = None) -> Self:
        """Return a copy with *prefix* before the message, *more* behind it, and *hint* and *code* in place of its own.

        The class, all facts and the cause stay. To keep a hint that is already there, write ``hint=error.hint or …``.
        """
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.message = (f"{prefix}: " if prefix else "") + self.message + (f"; {more}" if more else "")
        copy.args = (copy.message, *self.args[1:])
        copy.hint = hint if hint is not None else self.hint
        copy.code = code or self.code
        copy.__cause__ = self.__cause__
        return copy.with_traceback(self.__traceback__)

    def as_json(self) -> dict[str, object]:
        """Return the error as an entry of ``errors`` in the JSON output."""
        return {
            "kind": type(self).__name__.removesuffix("Error"),
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "exit_code": self.exit_code,
        }


class UsageError(D8Error):
    """The command line cannot be understood, or asks for something that is impossible."""

    exit_code = 2
    code = "usage"


class DocumentError(D8Error):
    """A manifest, a lock or another document is wrong; the message names the file, the line and the key.

    ``problem`` is the message without these. *about_file*: the problem is a sentence whose subject is the file
    ("d8.lock is missing"), so that no colon separates the two unless a line or a key stands between them.
    """

    exit_code = 65
    code = "bad-document"

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        key: str | None = None,
        line: int | None = None,
        hint: str | None = None,
        about_file: bool = False,
        code: str | None = None,
    ) -> None:
        where = (file or "") + (f":{line}" if line is not None else "")
        parts = [part for part in (where, key, message) if part]
        is_sentence = about_file and line is None and key is None
        super().__init__((" " if is_sentence else ": ").join(parts), hint=hint, code=code)
        self.problem = message
        self.file = file
        self.key = key
        self.line = line
        self.about_file = about_file

    def at(self, *, file: str | None = None, key: str | None = None, line: int | None = None) -> Self:
        """Return this error with the place that only an outer layer knew; facts that are known already stay."""
        return type(self)(
            self.problem,
            file=self.file or file,
            key=self.key or key,
            line=self.line if self.line is not None else line,
            hint=self.hint,
            about_file=self.about_file,
            code=self.code,
        )


class StaleLockError(DocumentError):
    """The lock is missing or does not match the manifests, and the command may not write it."""

    code = "stale-lock"


class ConflictError(DocumentError):
    """Two requests, two images or the two sides of a merge exclude each other; the message names both.

    ``conflicts`` are the images that conflict in a merge, each as the JSON output has it.
    """

    code = "conflict"
    conflicts: tuple[dict[str, object], ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the error as an entry of ``errors`` in the JSON output, with the conflicts of a merge."""
        return super().as_json() | ({"conflicts": list(self.conflicts)} if self.conflicts else {})


class OutOfSyncError(D8Error):
    """A dry run that was asked for an exit code would change something."""

    exit_code = 65
    code = "out-of-sync"


class UnreachableError(D8Error):
    """The source does not answer: the connection, the name resolution or the certificate failed.

    ``fault`` says what is to blame, where the transport knows it: the server's certificate, or the forward proxy.
    """

    exit_code = 69
    code = "unreachable"
    fault: Literal["certificate", "proxy"] | None = None


class NotFoundError(D8Error):
    """The source answers, but does not have the image, version or platform.

    ``image`` is the image's short name if the source has no image of that name, else None.
    """

    exit_code = 69
    code = "not-found"
    image: str | None = None


class DiskError(D8Error):
    """The operating system refused a file operation."""

    exit_code = 73
    code = "disk"


class TryAgainError(D8Error):
    """A temporary fault: a rate limit, an upstream failure, a cut transfer, a lock that is held too long."""

    exit_code = 75
    code = "try-again"


class MismatchError(D8Error):
    """Bytes, a digest, a tag or the header of an executable differ from what was promised."""

    exit_code = 76
    code = "mismatch"


class NotAllowedError(D8Error):
    """The source or the operating system refuses this user."""

    exit_code = 77
    code = "not-allowed"


class ConfigError(D8Error):
    """The configuration is missing or wrong, or the home belongs to a newer version of the tool."""

    exit_code = 78
    code = "configuration"


class AbsentSourceError(ConfigError):
    """The file or directory of a local source does not exist: it is mistyped, or its disk is not mounted."""

    code = "absent-source"
