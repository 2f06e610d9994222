"""What goes wrong in the middle, and what is hostile: an end in bounded time, a named error, nothing half-written.

The API server, and the proxy behind the front, are real until a test lets a stand-in break them.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.cluster import faults
from tests.cluster.deckhouse import publish_alpha_beta_gamma
from tests.registry.servers import Answer, Received, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

BOUND = 45
"""Seconds that no command may take on a busy machine, with D8_PATIENCE=1; a hang would take as long as a test may."""
HUGE = b"[" * (40 << 20)
CONFIG_MAP = "/api/v1/namespaces/d8-cloud-instance-manager/configmaps/registry-packages-proxy-config"
MODULES = "/apis/deckhouse.io/v1alpha1/modules"


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """What a stand-in waits for that never answers."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def ready(deckhouse: Deckhouse) -> Deckhouse:
    publish_alpha_beta_gamma(deckhouse)
    deckhouse.announce()
    deckhouse.cluster.module("stronghold", "v1.3.0")
    return deckhouse


def fails_soon(person: Operator, *words: str, codes: tuple[int, ...]) -> str:
    """Run a command with little patience; it must fail with one of *codes* in bounded time, and change nothing."""
    before = person.state()
    started = time.monotonic()
    done = person.run(*words, D8_PATIENCE="1")
    assert time.monotonic() - started < BOUND, done
    assert done.code in codes, done
    assert person.state() == before
    assert len(done.errors) == 1
    return done.err


# -- the API server


@pytest.mark.parametrize("behaviour", ["hang", "drip", "drop"])
def test_an_api_server_that_does_not_answer(ready: Deckhouse, tmp_path: Path, behaviour: str) -> None:
    with faults.relay(ready.cluster.port, behaviour) as relay:
        person = ready.person(tmp_path / "home", server=f"https://127.0.0.1:{relay.port}")
        said = fails_soon(person, "install", "beta", codes=(69, 75))
        assert str(relay.port) in said


BAD_ANSWERS: dict[str, Callable[[threading.Event], Answer]] = {
    "a body that drips": lambda over: faults.dripping(b'{"kind":' + b" " * 4000, over),
    "a body that is huge": lambda _: Answer(200, HUGE),
    "no JSON": lambda _: Answer(200, b"<html>\x1b[31mred</html>"),
    "no object": lambda _: Answer(200, b'["a"]'),
    "deep JSON": lambda _: Answer(200, b'{"a":' * 100_000),
    "a 500 with an escape in its text": lambda _: Answer(500, b'{"message": "\x1b[31mred\\u001b[0m"}'),
    "a redirect": lambda _: Answer(302, headers={"Location": "https://elsewhere.example/"}),
    "a length that is a lie": lambda _: Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}"),
}


@pytest.mark.parametrize("path", [CONFIG_MAP, MODULES])
@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_an_api_server_that_answers_badly(
    ready: Deckhouse, tmp_path: Path, over: threading.Event, what: str, path: str
) -> None:
    with faults.lying(ready.cluster, faults.only(path, lambda: BAD_ANSWERS[what](over))) as liar:
        person = ready.person(tmp_path / "home", server=liar.url)
        said = fails_soon(person, "install", "beta", codes=(65, 69, 75, 76))
        assert "\x1b" not in said


def test_an_answer_that_is_too_long_is_not_called_no_answer(ready: Deckhouse, tmp_path: Path) -> None:
    long = Answer(200, b" " * (2 << 20))
    with faults.lying(ready.cluster, faults.only(CONFIG_MAP, lambda: long)) as liar:
        person = ready.person(tmp_path / "home", server=liar.url)
        said = fails_soon(person, "install", "beta", codes=(69,))
    assert "the Kubernetes API answers what cannot be used: " in said
    assert "the answer is longer than 1048576 bytes" in said
    assert "does not answer" not in said
    assert "hint: check `server` in the kubeconfig" in said


def test_an_api_server_that_redirects_gets_no_token_sent_elsewhere(ready: Deckhouse, tmp_path: Path) -> None:
    with serving(lambda _: Answer()) as elsewhere:
        away = Answer(307, headers={"Location": f"{elsewhere.url}/"})
        with faults.lying(ready.cluster, faults.only(CONFIG_MAP, lambda: away)) as liar:
            person = ready.person(tmp_path / "home", server=liar.url)
            fails_soon(person, "install", "beta", codes=(69, 76))
        assert elsewhere.received == []


# -- the proxy


def is_layer(received: Received) -> bool:
    return "/images/" in received.path.removeprefix("/v1/images/")


def test_a_token_that_expires_before_the_layer(ready: Deckhouse, tmp_path: Path) -> None:
    """Manifests were let through, and the layer is not: nothing is placed, and the next command goes on."""
    person = ready.person(tmp_path / "home")
    refused = Answer(401, b"Unauthorized\n")
    with faults.lying_front(ready.front, lambda asked: refused if is_layer(asked) else None) as front:
        ready.announce(endpoints=[front.host])
        said = fails_soon(person, "install", "beta", codes=(77,))
        assert "(status 401)" in said
        assert sum(map(is_layer, front.received)) <= 4  # each layer is asked for once more after the 401
    ready.announce()
    person.ok("install", "beta")
    assert person.says("beta").startswith("beta v1.0.0 ")


COUNTING = """#!/bin/sh
cd "$(dirname "$0")"
echo >> asked
printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}' \\
  "$(sed -n "$(wc -l < asked)p" tokens)"
"""
"""An exec plugin that says another token each time."""


def test_a_program_is_asked_again_in_the_middle(ready: Deckhouse, tmp_path: Path) -> None:
    """Its first token ends before the layers: it is asked for another, once, and the person sees nothing of it."""
    person = ready.person(tmp_path / "home")
    tokens = [person.token, ready.cluster.token(person.account)]
    place = person.kubeconfig.parent
    (place / "tokens").write_text("\n".join(tokens) + "\n")
    (place / "plugin").write_text(COUNTING)
    (place / "plugin").chmod(0o755)
    person.secrets += tokens
    person.allowed.add(place / "tokens")
    how = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "Never"}
    ready.cluster.kubeconfig(person.kubeconfig, {"exec": how})
    refused = Answer(401, b"Unauthorized\n")

    def ends(received: Received) -> Answer | None:
        return refused if is_layer(received) and tokens[0] in received.headers["authorization"] else None

    with faults.lying_front(ready.front, ends) as front:
        ready.announce(endpoints=[front.host])
        done = person.ok("install", "beta")
    assert "status 401" not in done.err
    assert (place / "asked").read_bytes() == b"\n\n"
    assert person.says("beta").startswith("beta v1.0.0 ")


def test_a_redirect_to_another_host(ready: Deckhouse, tmp_path: Path) -> None:
    person = ready.person(tmp_path / "home")
    with serving(lambda _: Answer()) as elsewhere:
        away = Answer(302, headers={"Location": f"{elsewhere.url}/x"})
        with faults.lying_front(ready.front, lambda asked: away if is_layer(asked) else None) as front:
            ready.announce(endpoints=[front.host])
            said = fails_soon(person, "install", "beta", codes=(69,))
            assert "redirect" in said
        assert elsewhere.received == []


@pytest.mark.parametrize("of_layers", [True, False])
def test_a_proxy_that_hangs(ready: Deckhouse, tmp_path: Path, over: threading.Event, of_layers: bool) -> None:
    person = ready.person(tmp_path / "home")
    never = faults.hanging(over)
    with faults.lying_front(
        ready.front, lambda asked: never(asked) if is_layer(asked) or not of_layers else None
    ) as front:
        ready.announce(endpoints=[front.host])
        said = fails_soon(person, "install", "beta", codes=(69, 75))
        assert front.host in said


def test_a_proxy_that_drips(ready: Deckhouse, tmp_path: Path, over: threading.Event) -> None:
    """The right bytes, one at a time, would take ten minutes."""
    person = ready.person(tmp_path / "home")
    program = images.script("large") + os.urandom(6000)
    ready.publish("large", "v1.0.0", builds={images.host_platform(): program})
    layer = images.layer_of({"plugin": program})

    def drips(received: Received) -> Answer | None:
        return faults.dripping(layer, over) if is_layer(received) else None

    with faults.lying_front(ready.front, drips) as front:
        ready.announce(endpoints=[front.host])
        said = fails_soon(person, "install", "large", codes=(75,))
        assert "large" in said


def test_a_proxy_that_cuts_the_layer(ready: Deckhouse, tmp_path: Path) -> None:
    person = ready.person(tmp_path / "home")
    cut = Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n\x1f\x8b")
    with faults.lying_front(ready.front, lambda asked: cut if is_layer(asked) else None) as front:
        ready.announce(endpoints=[front.host])
        fails_soon(person, "install", "beta", codes=(69, 75, 76))


def test_a_proxy_that_serves_other_bytes(ready: Deckhouse, tmp_path: Path) -> None:
    person = ready.person(tmp_path / "home")
    evil = Answer(200, images.layer_of({"plugin": images.script("evil")}))
    with faults.lying_front(ready.front, lambda asked: evil if is_layer(asked) else None) as front:
        ready.announce(endpoints=[front.host])
        fails_soon(person, "install", "beta", codes=(76,))


def test_an_endpoint_that_is_cached_and_dead(ready: Deckhouse, tmp_path: Path) -> None:
    """A remembered endpoint that fails is asked for again: the person does not wait an hour."""
    person = ready.person(tmp_path / "home")
    first = ready.another_front()
    ready.announce(endpoints=[first.address])
    ready.publish("plain", "v1.0.0")
    person.ok("install", "plain")
    ready.stack.close()
    ready.announce()
    person.ok("install", "beta")
    assert first.asked
