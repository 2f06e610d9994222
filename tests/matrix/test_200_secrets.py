"""Two hundred addresses with a secret in them, and a token that the proxy says back: neither is shown or kept.

The commands run in this process, which costs a hundredth of one of their own; a few run as they are installed.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from d8_installer.cli.main import _guarded, _hide_typed
from d8_installer.cli.screen import Screen
from d8_installer.model.address import hidden_parts
from d8_installer.testing.faults import header, redirected, replaced, status, tags
from tests import command
from tests.matrix.machine import NAME, NEW, OLD, TO_NEW
from tests.model.test_address import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from d8_installer.testing.faults import Fault
    from tests.matrix.machine import Machine

SECRETS = ["s3cr3tW0rd", "p4ss-w0rd.x", "hunter2~hunter2", "eyJhbGciOi.JWT_like-t0ken"]
ADDRESSES = [(form.format(secret), secret) for secret in SECRETS for form in FORMS]
VERBS = [
    ("install", "tool"),
    ("-v", "versions", "tool"),
    ("lock",),
    ("--json", "sync", "--from", "{0}"),
    ("--json", "list", "--outdated"),
    ("-v", "upgrade", "--all"),
    ("run", "tool"),
    ("doctor",),
    ("--json", "doctor"),
    ("config", "set", "endpoint", "{0}"),
    ("--json", "config", "set", "sources", "{0}"),
    ("config", "set", "{0}", "x"),
    ("config", "list"),
    ("--json", "config", "get", "endpoint"),
    ("publish", "linux-amd64=/bin/true", "--image", "tool", "--version", "v1.0.0", "--to", "{0}"),
    ("bundle", "create", "{home}/x.bundle"),
    ("lock", "--witness", "{0}"),
    ("verify", "--fix"),
    ("install", "{0}"),
    ("--json", "uninstall", "{0}"),
    ("{0}",),
]
"""Where an address is typed; elsewhere it is the endpoint, by turns from each of the three places."""
NAMES = [verb for verb in VERBS if verb[-1] == "{0}" and verb[-2:-1] in ((), ("install",), ("uninstall",))]
NAMES.append(("config", "set", "{0}", "x"))
"""Where a name is expected, so that what is typed there is told."""
PLACES = ("typed", "variable", "file")


def test_there_are_enough() -> None:
    assert len(ADDRESSES) >= 190
    assert all(secret in address for address, secret in ADDRESSES)


@contextlib.contextmanager
def variables(environ: Mapping[str, str]) -> Iterator[None]:
    """Let the process have *environ* and nothing else, and its handlers of signals afterwards as before."""
    before, handlers = dict(os.environ), {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def said(arguments: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """Run a command in this process and return all that it shows."""
    out, err = io.StringIO(), io.StringIO()
    with variables(environ), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        screen = Screen(sys.stdout, sys.stderr)
        _hide_typed(arguments, screen)
        assert _guarded(list(arguments), screen) != 70, err.getvalue()
    return out.getvalue() + err.getvalue()


def prepared(home: Path, verb: tuple[str, ...], address: str, place: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the command line and the variables of one case; its settings are written."""
    config = home / ".config/d8-installer/config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.unlink(missing_ok=True)
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin", "D8_PATIENCE": "0.05"}
    words = tuple(word.replace("{0}", address).replace("{home}", str(home)) for word in verb)
    if words != verb and "{0}" in "".join(verb):
        return ("--offline", *words), environ
    if place == "variable":
        environ["D8_RPP_ENDPOINT"] = address
    elif place == "typed":
        return ("--offline", "--endpoint", address, *words), environ
    else:
        import tomli_w

        config.write_text(tomli_w.dumps({"endpoint": address, "sources": [address]}))
    return ("--offline", *words), environ


def holds(home: Path, secret: str) -> list[Path]:
    files = [path for path in home.rglob("*") if path.is_file() and path.name != "config.toml"]
    return [path for path in files if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize("secret", SECRETS)
def test_an_address_is_never_shown(tmp_path: Path, secret: str) -> None:
    verbs, places = itertools.cycle(VERBS), itertools.cycle(PLACES)
    for form in FORMS:
        address = form.format(secret)
        for verb in itertools.islice(verbs, 2):
            arguments, environ = prepared(tmp_path, verb, address, next(places))
            if "\0" in "".join((*arguments, *environ.values())):
                continue  # the system lets no such text through
            if verb in NAMES and not hidden_parts(address):
                continue  # a name, as far as anybody can tell
            assert secret.lower() not in said(arguments, environ).lower(), (arguments, environ)
    assert holds(tmp_path, secret) == []


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
def test_a_proxy_is_never_shown(tmp_path: Path, variable: str) -> None:
    for form in FORMS:
        address = form.format(SECRETS[0])
        if "\0" in address or form == "{0}":  # which is the name of a host
            continue
        environ = {"HOME": str(tmp_path), variable: address.replace("@host", "@127.0.0.1:1"), "D8_PATIENCE": "0.05"}
        text = said(("--endpoint", "https://registry.invalid", "-v", "versions", "tool"), environ)
        assert SECRETS[0].lower() not in text.lower(), (address, text)


@pytest.mark.parametrize("verb", [VERBS[1], VERBS[3], VERBS[9]])
def test_the_installed_command_is_no_other(tmp_path: Path, verb: tuple[str, ...]) -> None:
    typeable = [pair for pair in ADDRESSES if "\0" not in pair[0]]
    for address, secret in typeable[:: len(FORMS) + 7]:
        arguments, environ = prepared(tmp_path, verb, address, "variable")
        done = command.run(*arguments, home=str(tmp_path), env={k: v for k, v in environ.items() if k != "HOME"})
        assert done.code != 70, done
        assert secret not in str(done)
        assert holds(tmp_path, secret) == []


TOKEN = "t0ken-Of.this-Machine/42=="
ECHOES: dict[str, tuple[str, Fault]] = {
    "etag": ("layer", header("etag", f'"{TOKEN}"')),
    "media type": ("index", header("content-type", f"text/{TOKEN}")),
    "coding": ("index", header("content-encoding", TOKEN)),
    "location": ("tags", redirected(f"https://{TOKEN}@x/{TOKEN}?{TOKEN}")),
    "error": ("tags", status(400, f"you sent {TOKEN}")),
    "missing": ("tags", status(404, f"image {TOKEN} not found")),
    "refusal": ("tags", status(403, f"Forbidden: {TOKEN}")),
    "tag list": ("tags", tags([OLD, NEW, f"v9.9.9-{TOKEN[:-2].replace('/', '.')}", TOKEN, f"v9.{TOKEN}"])),
    "no list": ("tags", tags({TOKEN: TOKEN})),
    "manifest": ("index", replaced(b'{"schemaVersion": 2, "mediaType": "' + TOKEN.encode() + b'"}')),
    "body": ("layer", replaced(TOKEN.encode() * 9)),
    "retry": ("tags", status(429, TOKEN, retry_after=TOKEN)),
}


@pytest.mark.parametrize("name", ECHOES)
def test_a_token_that_comes_back_is_never_shown(machine: Machine, name: str) -> None:
    place, fault = ECHOES[name]
    machine.proxy.on(place, fault)  # type: ignore[arg-type] # a key of the table
    environ = {"HOME": str(machine.home), "PATH": "/usr/bin:/bin", "D8_PATIENCE": "0.05", **machine.variables}
    environ["D8_RPP_TOKEN"] = TOKEN
    for arguments in (("-v", *TO_NEW), ("--json", *TO_NEW), ("-v", "versions", NAME), ("upgrade", "--all")):
        text = said(arguments, environ)
        assert TOKEN not in text
        assert "Traceback" not in text
    assert holds(machine.home, TOKEN) == []
    assert {request.headers.get("authorization") for request in machine.proxy.seen()} == {f"Bearer {TOKEN}"}
