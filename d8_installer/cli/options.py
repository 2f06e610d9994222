"""Options that more than one command has, and the values that they read."""

from __future__ import annotations

import argparse
import sys

from d8_installer.errors import UsageError
from d8_installer.model.shell_words import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.cli.verb import SharedOption

REQUIREMENT = f"an image, such as stronghold, stronghold@1.4 or {quoted('stronghold>=1.4,<2')}"
"""The help of a requirement."""
_LAST_SECOND = 253_402_300_799  # of the year 9999
_UNITS = {"kb": 1000, "mb": 1000**2, "gb": 1000**3}
_MOST_BYTES = 1000**4
_KEPT = argparse.SUPPRESS
"""The default of an option that may have been given before the command."""
GLOBAL_OPTIONS = "global options"
"""The heading of the options that every command has."""


def global_group(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Return the group of the options that every command has; make it if it is missing."""
    found = (group for group in parser._action_groups if group.title == GLOBAL_OPTIONS)
    return next(found, None) or parser.add_argument_group(GLOBAL_OPTIONS)


def add_globals(parser: argparse.ArgumentParser, *, repeated: bool) -> None:
    """Add the options that may stand before and after the command; *repeated*: keep what was set before it."""
    default = _KEPT if repeated else None
    flag = _KEPT if repeated else False
    group = global_group(parser)
    _add_output(group, default, flag)
    _add_profiles(group, default)
    _add_connection(group, default, flag, repeated=repeated)
    group.add_argument(
        *("-k", "--kubeconfig"), metavar="F", default=default, help="kubeconfig of the cluster (KUBECONFIG)"
    )
    group.add_argument("--context", metavar="C", default=default, help="context of the kubeconfig to use")
    group.add_argument("--home", metavar="DIR", default=default, help="directory of all state (D8_INSTALLER_HOME)")
    group.add_argument(
        "--connections", metavar="N", type=connections, default=default, help="concurrent requests (default: 8)"
    )


def _add_output(group: argparse._ArgumentGroup, default: str | None, flag: str | bool) -> None:
    """Add what decides where a command works, what it prints, and what it may use."""
    group.add_argument(
        *("-C",),
        dest="directories",
        metavar="DIR",
        action="append",
        default=default,
        help="change to this directory first",
    )
    group.add_argument("--json", action="store_true", default=flag, help="print the result as one JSON document")
    group.add_argument("-q", "--quiet", action="store_true", default=flag, help="leave out notes and progress")
    group.add_argument("-v", "--verbose", action="store_true", default=flag, help="print more details")
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default=default,
        help="use colours: on a terminal (auto, the default), always or never",
    )
    group.add_argument("--no-progress", action="store_true", default=flag, help="do not show the progress of transfers")
    group.add_argument("--no-plugins", action="store_true", default=flag, help="do not run the code of plugins")
    group.add_argument("--offline", action="store_true", default=flag, help="disable network access (D8_OFFLINE)")


def _add_connection(group: argparse._ArgumentGroup, default: str | None, flag: str | bool, *, repeated: bool) -> None:
    """Add the source, and how the command connects to it."""
    group.add_argument(
        *(("--endpoint",) if repeated else ("--endpoint", "--from")),  # after the command, those that fetch have --from
        dest="endpoint",
        metavar="URL",
        default=default,
        help="source of images: https:, oci: (oci+https:, oci+http:), oci-layout:, bundle: (D8_RPP_ENDPOINT; "
        "default: the proxy of the kubeconfig's cluster)",
    )
    group.add_argument(
        "--ca-file", metavar="F", default=default, help="additional certificates to trust (D8_RPP_CA_FILE)"
    )
    group.add_argument(
        "--client-cert", metavar="F", default=default, help="client certificate for the source (D8_RPP_CLIENT_CERT)"
    )
    group.add_argument(
        "--client-key", metavar="F", default=default, help="key of the client certificate (D8_RPP_CLIENT_KEY)"
    )
    group.add_argument(
        "--token-file", metavar="F", default=default, help="file that holds the bearer token (D8_RPP_TOKEN)"
    )
    group.add_argument(
        "--insecure-skip-tls-verify",
        dest="insecure",
        action="store_true",
        default=flag,
        help="do not verify the certificates of the source and of the Kubernetes API",
    )


def _add_profiles(group: argparse._ArgumentGroup, default: str | None) -> None:
    profile = group.add_mutually_exclusive_group()
    for option, kind, text in (
        ("--user", "user", "use your own profile"),
        ("--project", "project", "use the profile of the project whose d8.toml is here or above"),
        ("--global", "system", "use the profile of the system (D8_INSTALLER_GLOBAL_HOME)"),
    ):
        profile.add_argument(option, dest="profile", action="store_const", const=kind, default=default, help=text)


def add_shared(parser: argparse.ArgumentParser, options: tuple[SharedOption, ...]) -> None:
    """Add the options that a command shares with others."""
    for option in options:
        _SHARED[option](parser)


def _add_platform(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--platform",
        metavar="OS-ARCH",
        help="platform to use, such as linux-arm64 or linux/arm64 (default: that of this machine)",
    )


def _add_environments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--env",
        dest="environments",
        metavar="PATH",
        action="append",
        default=[],
        help="also search this Python environment for plugins",
    )


def _add_trust(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    add_accept_moved(parser)
    parser.add_argument("--witness", metavar="URL", help="compare every index digest with this second source")


def add_accept_moved(parser: argparse.ArgumentParser) -> None:
    """Add ``--accept-moved``."""
    parser.add_argument(
        "--accept-moved",
        type=name_argument,
        metavar="IMAGE:TAG",
        action="append",
        default=[],
        help="accept that this tag now means other bytes",
    )


def _add_checks(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--facts", metavar="FILE", help="compare requirements with this file of `facts`, not a cluster")
    group.add_argument(
        "--skip-cluster-checks",
        action="store_true",
        help="do not check the requirements of images (D8_PLUGINS_SKIP_CLUSTER_CHECKS)",
    )


def _add_cutoff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--exclude-newer", metavar="DATE|AGE", help="ignore versions created since, such as 2026-10-01 or 7d"
    )


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add ``--from``, another name of ``--endpoint``."""
    parser.add_argument(
        "--from", dest="endpoint", metavar="URL", default=_KEPT, help="source of images; the same as --endpoint"
    )


def add_endpoint(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ENDPOINT, another spelling of ``--endpoint``, with *text* as its help."""
    parser.add_argument("endpoint", nargs="?", metavar="ENDPOINT", default=_KEPT, help=text)


def add_use_major(parser: argparse.ArgumentParser) -> None:
    """Add ``--use-major``."""
    parser.add_argument(
        "--use-major",
        metavar="N",
        type=_major,
        help="take versions whose major number is N; plugins that they need may change theirs, too",
    )


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add ``--dry-run``."""
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")


_SHARED: Mapping[SharedOption, Callable[[argparse.ArgumentParser], None]] = {
    "platform": _add_platform,
    "environments": _add_environments,
    "cutoff": _add_cutoff,
    "checks": _add_checks,
    "trust": _add_trust,
    "source": add_source,
    "dry-run": add_dry_run,
}


def name_argument(text: str) -> str:
    """Return a typed name or requirement. On Windows ``Ruff.exe`` is ``ruff``: its file is called so, in any case."""
    return as_on_windows(text) if sys.platform == "win32" else text


def as_on_windows(text: str) -> str:
    """Return a name or requirement with its name in lower case and without ``.exe``."""
    length = next((at for at, char in enumerate(text) if not (char.isalnum() or char in "._-")), len(text))
    name, rest = text[:length].lower(), text[length:]
    return f"{name.removesuffix('.exe') or name}{rest}"


def _major(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not the number of a major version, such as 2")
    return int(text)


def connections(text: str) -> int:
    """Return a number between 1 and 64."""
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number between 1 and 64")
    return int(text)


def address(text: str) -> tuple[str, int]:
    """Return the host and the port of ``HOST:PORT``, an IPv6 address without its brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is not HOST:PORT, such as 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def size(text: str) -> int:
    """Return a size in bytes, as messages write it: ``500MB``, ``1.5 GB``; at most a thousand GB."""
    number, unit = text.strip()[:-2].rstrip(), text.strip()[-2:].lower()
    whole, _, tenths = number.partition(".")
    if unit not in _UNITS or not f"{whole}{tenths or 0}".isdecimal() or not whole or len(number) > 9:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a size, such as 500MB or 2GB")
    found = int(float(number) * _UNITS[unit])
    if found > _MOST_BYTES:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is more than 1000GB")
    return found


def source_date(environ: Mapping[str, str]) -> int | None:
    """Return SOURCE_DATE_EPOCH in seconds, at most the end of the year 9999, or None if it is not set."""
    text = environ.get("SOURCE_DATE_EPOCH", "")
    if text and not (text.isdecimal() and len(text) < 20):
        raise UsageError("SOURCE_DATE_EPOCH is not a number of seconds", hint="unset it, or set it to a Unix time")
    if text and int(text) > _LAST_SECOND:
        raise UsageError(f"SOURCE_DATE_EPOCH {text} is not a date", hint="set it to seconds since 1970, or unset it")
    return int(text) if text else None
