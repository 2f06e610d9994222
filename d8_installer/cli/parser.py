"""The grammar of the command line. Only the typed command's parser is built; the whole tree only for completions."""

from __future__ import annotations

import argparse

from d8_installer import __version__
from d8_installer.cli import pointers
from d8_installer.cli.help_format import HelpFormat
from d8_installer.cli.modules import VERBATIM, command_module
from d8_installer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

PROGRAM = pointers.PROGRAM
_LAST_SECOND = 253_402_300_799  # of the year 9999
KEPT = argparse.SUPPRESS
"""The default of an option that may have been given before the command."""

COMMANDS = {
    "install": "put an image into your manifest and its binaries onto PATH",
    "uninstall": "take an image out of your manifest and its binaries away",
    "upgrade": "move to the newest versions that the ranges allow",
    "use": "switch an image to one version, within its range",
    "history": "show the generations of a profile",
    "rollback": "switch back to an earlier generation, without any network",
    "gc": "remove old generations, and what nothing needs any more",
    "verify": "read all stored files and say what differs; --fix repairs it",
    "list": "show the binaries that are in place",
    "which": "show the file that a binary is",
    "versions": "show the published versions of an image",
    "run": "run a binary, fetching its image if it has to be",
    "lock": "pin what the manifest asks for in d8.lock, for every platform",
    "export": "print the lock as CycloneDX, as JSON or as requirements",
    "sync": "make what is in place what manifest and lock say",
    "config": "show or change your settings",
    "plugins": "show the plugins whose code may run; enable or disable one",
    "doctor": "look for what is wrong with this machine's set-up",
    "ensurepath": "append the bin directory to PATH in your shell's start-up files",
    "env": "print the line that puts a profile's binaries on this shell's PATH",
    "self": "remove everything that d8-installer made for you",
    "completion": "print the completion script for a shell",
    "manifest": "write or check a plugin's manifest",
    "publish": "publish executables as a multi-platform image",
    "wheel": "make a plugin's wheel thin (launchers) or fat (the binaries themselves)",
    "bundle": "write the locked images, their lock and manifests into one file, for places without network",
    "proxy": "serve images as a registry-packages-proxy does",
    "pip": "run pip as typed, then sync the environment that it changed",
    "pipx": "run pipx as typed, then sync",
    "uv": "run uv as typed, then sync the environment that it changed",
}
_WORDS = {"help": "show this page, or the help of one command", "version": "print the version, as --version does"}
"""Words that the parser answers itself, for people who type them out of habit."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are errors as any other, so that ``--json`` can carry them."""

    def _get_formatter(self) -> argparse.HelpFormatter:
        return HelpFormat(self.prog)

    def error(self, message: str) -> NoReturn:
        """Raise a UsageError instead of writing to stderr."""
        raise UsageError(message, hint=f"see `{self.prog} --help`")


class UnknownCommandError(UsageError):
    """The typed word is not a built-in command; a plugin may have it, for which ``namespace`` is what was parsed."""

    def __init__(self, namespace: argparse.Namespace, *, hint: str) -> None:
        super().__init__(f"{namespace.command[:60]!r} is not a command", hint=hint)
        self.namespace = namespace

    def as_json(self) -> dict[str, object]:
        """Be a usage error to a reader."""
        return super().as_json() | {"kind": "Usage"}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; ``command`` is None where none was typed. ``--help`` and ``--version`` end the process."""
    top = _top_parser()
    top.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    top.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    namespace = top.parse_args(arguments)
    if namespace.command == "help":
        return _help(namespace)
    if namespace.command == "version":
        return parse(["--version"])
    if namespace.command is None or namespace.command in VERBATIM:
        return namespace
    if namespace.command not in COMMANDS:
        raise UnknownCommandError(namespace, hint=pointers.pointer(namespace.command, namespace.rest, COMMANDS))
    parser = Parser(
        prog=f"{PROGRAM} {namespace.command}",
        description=_sentence(COMMANDS[namespace.command]),
        allow_abbrev=False,
    )
    add_globals(parser, repeated=True)
    command_module(namespace.command).configure(parser)
    return parser.parse_args(namespace.rest, namespace)


def _help(namespace: argparse.Namespace) -> argparse.Namespace:
    """Do what ``help [COMMAND…]`` asks: the same as ``COMMAND… --help``, and ``--help`` where no command is named."""
    words = [word for word in namespace.rest if not word.startswith("-")]
    if words[:1] == ["help"]:
        words = []
    if words and words[0] in VERBATIM:  # `pip --help` is pip's own
        name = f"{PROGRAM} {words[0]}"
        Parser(prog=name, usage=f"{name} ARGS…", description=_sentence(COMMANDS[words[0]])).print_help()
        raise SystemExit(0)
    return parse([*words, "--help"])


def whole_parser() -> argparse.ArgumentParser:
    """Return one parser with every command in it, for completions."""
    top = _top_parser()
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, text in COMMANDS.items():
        parser = commands.add_parser(name, help=text)
        add_globals(parser, repeated=True)
        command_module(name).configure(parser)
    return top


def help_text() -> str:
    """Return the top-level help."""
    return _top_parser().format_help()


def _top_parser() -> Parser:
    width = max(map(len, COMMANDS)) + 2
    rows = "\n".join(f"  {name:<{width}}{text}" for name, text in {**COMMANDS, **_WORDS}.items())
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [OPTIONS] COMMAND …",
        description="Installs the executables that Python packages declare, verified and locked.",
        epilog=f"commands:\n{rows}\n\n`{PROGRAM} COMMAND --help` tells more of one; enabled plugins may add others.",
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"{PROGRAM} {__version__}")
    add_globals(parser, repeated=False)
    return parser


def add_globals(parser: argparse.ArgumentParser, *, repeated: bool) -> None:
    """Add what may stand before and after the command; *repeated*: leave alone what was set before it."""
    default = argparse.SUPPRESS if repeated else None
    flag = argparse.SUPPRESS if repeated else False
    group = parser.add_argument_group("options of every command")
    group.add_argument("--json", action="store_true", default=flag, help="print one JSON document on stdout")
    group.add_argument(
        "-q", "--quiet", action="store_true", default=flag, help="show only errors and warnings on stderr"
    )
    group.add_argument("-v", "--verbose", action="store_true", default=flag, help="say more on stderr")
    group.add_argument("--no-plugins", action="store_true", default=flag, help="run no plugin's code")
    group.add_argument("--offline", action="store_true", default=flag, help="use no network (D8_OFFLINE)")
    profile = group.add_mutually_exclusive_group()
    for kind, const, text in (
        ("user", "user", "your own profile"),
        ("project", "project", "the profile of the d8.toml here or above"),
        ("global", "system", "the system's profile (D8_INSTALLER_GLOBAL_HOME)"),
    ):
        profile.add_argument(
            f"--{kind}", dest="profile", action="store_const", const=const, default=default, help=f"work on {text}"
        )
    group.add_argument(
        *(("--endpoint",) if repeated else ("--endpoint", "--from")),  # after it, commands that fetch have --from
        dest="endpoint",
        metavar="URL",
        default=default,
        help="where images come from: https:, oci: (oci+https:, oci+http:), oci-layout:, bundle: (D8_RPP_ENDPOINT)",
    )
    group.add_argument("--ca-file", metavar="F", default=default, help="certificates to trust as well (D8_RPP_CA_FILE)")
    group.add_argument(
        "--client-cert", metavar="F", default=default, help="your certificate for the source (D8_RPP_CLIENT_CERT)"
    )
    group.add_argument("--client-key", metavar="F", default=default, help="its key (D8_RPP_CLIENT_KEY)")
    group.add_argument("--token-file", metavar="F", default=default, help="file with the bearer token (D8_RPP_TOKEN)")
    group.add_argument(
        "--insecure-skip-tls-verify", dest="insecure", action="store_true", default=flag, help="check no certificate"
    )
    group.add_argument(
        "--kubeconfig", metavar="F", default=default, help="kubeconfig to take the token from (KUBECONFIG)"
    )
    group.add_argument("--context", metavar="C", default=default, help="the kubeconfig's context")
    group.add_argument("--home", metavar="DIR", default=default, help="where everything is kept (D8_INSTALLER_HOME)")
    group.add_argument(
        "--connections", metavar="N", type=positive, default=default, help="requests under way at once (default 8)"
    )


def positive(text: str) -> int:
    """Read a number between 1 and 64."""
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number between 1 and 64")
    return int(text)


def address(text: str) -> tuple[str, int]:
    """Read ``HOST:PORT``; the brackets of an IPv6 address are taken off."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is not HOST:PORT, such as 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def mebibytes(text: str) -> int:
    """Read a number of MiB, up to a tebibyte."""
    if not text.isdecimal() or int(text) > 1 << 20:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number of MiB")
    return int(text)


def source_date(environ: Mapping[str, str]) -> int | None:
    """Return SOURCE_DATE_EPOCH in seconds, up to the end of the year 9999, or None."""
    text = environ.get("SOURCE_DATE_EPOCH", "")
    if text and not (text.isdecimal() and len(text) < 20):
        raise UsageError("SOURCE_DATE_EPOCH is not a number of seconds", hint="unset it, or set it to a Unix time")
    if text and int(text) > _LAST_SECOND:
        raise UsageError(f"SOURCE_DATE_EPOCH {text} is not a date", hint="set it to seconds since 1970, or unset it")
    return int(text) if text else None


def add_platform(parser: argparse.ArgumentParser) -> None:
    """Add ``--platform`` to a command that places binaries."""
    parser.add_argument("--platform", metavar="OS-ARCH", help="install for this platform (default: this machine's)")


def add_environments(parser: argparse.ArgumentParser) -> None:
    """Add ``--env`` to a command that reads the manifests of plugins."""
    parser.add_argument(
        "--env",
        dest="environments",
        metavar="PATH",
        action="append",
        default=[],
        help="look for plugins in this Python environment too",
    )


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that resolves: where to look (``--from``), and what to believe."""
    add_from(parser)
    parser.add_argument(
        "--accept-moved", metavar="IMAGE:TAG", action="append", default=[], help="take the new bytes of a moved tag"
    )
    parser.add_argument("--witness", metavar="URL", help="compare every index digest with this second source")


def add_cutoff(parser: argparse.ArgumentParser) -> None:
    """Add ``--exclude-newer`` to a command that chooses versions."""
    parser.add_argument(
        "--exclude-newer", metavar="DATE|AGE", help="choose no version created since, such as 2026-10-01 or 7d"
    )


def add_from(parser: argparse.ArgumentParser) -> None:
    """Add ``--from`` to a command that fetches: another name of ``--endpoint``."""
    parser.add_argument(
        "--from", dest="endpoint", metavar="URL", default=KEPT, help="take images from there; the same as --endpoint"
    )


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add ``--dry-run``."""
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
