"""The HTTP client against servers that behave, misbehave and disappear."""

from __future__ import annotations

import gzip
import itertools
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import d8_installer
from d8_installer.errors import ConfigError, MismatchError, TryAgainError, UnreachableError
from d8_installer.model.identity import Identity
from d8_installer.registry.client import Client, ClientOptions, OriginIdentity, authorization
from d8_installer.registry.origin import Origin
from d8_installer.registry.retry import Attempts, RetryPolicy, retry_after
from tests.registry.clients import Waits, closed_port, connected
from tests.registry.servers import DROPPED, Answer, Received, cut, serving

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = os.path.dirname(os.path.dirname(d8_installer.__file__))
CAP = 1 << 20
TOKEN = "s3cr3t-t0ken"


def in_turn(*answers: Answer) -> Callable[[Received], Answer]:
    """Give one answer after the other, the last one for ever."""
    rest = itertools.chain(answers, itertools.repeat(answers[-1]))
    return lambda _: next(rest)


def test_connections_are_used_again(client: Client) -> None:
    with serving(lambda received: Answer(body=received.path.encode())) as server:
        bodies = [client.get(f"{server.url}/{n}", {}, CAP).body for n in range(5)]
        assert bodies == [b"/0", b"/1", b"/2", b"/3", b"/4"]
        assert server.connections == 1


def test_connections_are_bounded() -> None:
    gate = threading.Barrier(2, timeout=60)

    def answer_two_at_once(_: Received) -> Answer:
        gate.wait()
        return Answer(body=b"x")

    with serving(answer_two_at_once) as server, connected(ClientOptions(connections=2)) as client:
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda _: client.get(server.url, {}, CAP).status, range(8))
            assert list(answers) == [200] * 8
        assert server.most_open == 2


def test_a_body_is_taken_as_it_is(client: Client) -> None:
    packed = gzip.compress(b"plain")
    with serving(lambda _: Answer(body=packed, headers={"Content-Encoding": "gzip"})) as server:
        with client.stream(server.url, {}) as stream:
            assert b"".join(stream) == packed
            assert stream.size == len(packed)
        assert server.received[0].headers["accept-encoding"] == "identity"


def test_chunks_are_small(client: Client) -> None:
    body = bytes(3_000_000)
    with serving(lambda _: Answer(body=body)) as server, client.stream(server.url, {}) as stream:
        chunks = list(stream)
    assert sum(map(len, chunks)) == len(body)
    assert max(map(len, chunks)) <= 256 << 10


def test_redirects_are_not_followed_and_cookies_not_kept(client: Client) -> None:
    headers = {"Location": "/other", "Set-Cookie": "who=me"}
    with serving(lambda _: Answer(302, headers=headers)) as server:
        assert client.get(server.url, {}, CAP).status == 302
        assert client.get(server.url, {}, CAP).headers["location"] == "/other"
        assert all("cookie" not in received.headers for received in server.received)
        assert len(server.received) == 2


# -- retries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [Answer(503), Answer(500), Answer(429), DROPPED])
def test_passing_faults_are_tried_again(client: Client, waits: Waits, bad: Answer) -> None:
    with serving(in_turn(bad, bad, Answer(body=b"good"))) as server:
        assert client.get(server.url, {}, CAP).body == b"good"
        assert len(server.received) == 3
    assert waits == [0.5, 1.0]


def test_the_last_answer_is_returned_when_tries_are_spent(client: Client, waits: Waits) -> None:
    with serving(lambda _: Answer(502, b"failed to resolve version\n")) as server:
        response = client.get(server.url, {}, CAP)
        assert (response.status, response.body) == (502, b"failed to resolve version\n")
        assert len(server.received) == 4
    assert waits == [0.5, 1.0, 2.0]


def test_a_server_that_always_drops_is_named(client: Client) -> None:
    with serving(lambda _: DROPPED) as server:
        with pytest.raises(TryAgainError, match=server.host):
            client.get(server.url, {}, CAP)
        assert len(server.received) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_final_answers_are_not_tried_again(client: Client, waits: Waits, status: int) -> None:
    with serving(lambda _: Answer(status)) as server:
        assert client.get(server.url, {}, CAP).status == status
    assert waits == []


def test_retry_after_is_honoured(client: Client, waits: Waits) -> None:
    busy = Answer(429, headers={"Retry-After": "7"})
    with serving(in_turn(busy, Answer(body=b"good"))) as server:
        assert client.get(server.url, {}, CAP).body == b"good"
    assert waits == [7.0]


def test_too_long_a_retry_after_ends_it_at_once(client: Client, waits: Waits) -> None:
    with serving(lambda _: Answer(429, headers={"Retry-After": "31"})) as server:
        assert client.get(server.url, {}, CAP).status == 429
        assert len(server.received) == 1
    assert waits == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 3 "}, 3.0),
        ({"retry-after": formatdate(1_000_060, usegmt=True)}, 60.0),
        ({"retry-after": formatdate(1_000_060, usegmt=True), "date": formatdate(1_000_050, usegmt=True)}, 10.0),
        ({"retry-after": formatdate(999_000, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "٣"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=1_000_000) == seconds


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_retry_after_is_understood_or_ignored(text: str, date: str) -> None:
    seconds = retry_after({"retry-after": text, "date": date}, now=0)
    assert seconds is None or seconds >= 0


@given(
    tries=st.integers(1, 6),
    patience=st.floats(0, 60),
    share=st.floats(0, 1),
    asked=st.lists(st.none() | st.floats(0, 100), min_size=10, max_size=10),
)
def test_patience_is_never_exceeded(tries: int, patience: float, share: float, asked: list[float | None]) -> None:
    attempts = Attempts(RetryPolicy(tries=tries, max_wait=patience, jitter=lambda upper: upper * share))
    delays = list(itertools.takewhile(lambda delay: delay is not None, map(attempts.next_delay, asked)))
    assert len(delays) < tries
    assert sum(delay for delay in delays if delay is not None) <= patience * 1.000001


def test_an_interrupt_ends_the_waiting() -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with serving(lambda _: Answer(503)) as server, connected(ClientOptions(wait=interrupted)) as client:
        with pytest.raises(KeyboardInterrupt):
            client.get(server.url, {}, CAP)
        assert len(server.received) == 1


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_control_c_ends_the_waiting_at_once() -> None:
    program = "import sys, d8_installer.registry.client as c; c.Client().get(sys.argv[1], {}, 9)"
    asked = threading.Event()
    busy = Answer(503, headers={"Retry-After": "29"}, then=asked.set)
    with serving(lambda _: busy) as server:
        command = [sys.executable, "-c", program, server.url]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) in (-signal.SIGINT, 1)


def test_a_stream_of_content_is_sent_once(client: Client) -> None:
    with serving(lambda _: Answer(503)) as server:
        response = client.send("PUT", server.url, {"Content-Length": "6"}, iter([b"abc", b"def"]))
        assert response.status == 503
        assert [received.body for received in server.received] == [b"abcdef"]
        assert "transfer-encoding" not in server.received[0].headers


def test_a_whole_content_is_sent_again(client: Client) -> None:
    with serving(in_turn(Answer(503), Answer(201))) as server:
        assert client.send("PUT", server.url, {}, b"abc").status == 201
        assert [received.body for received in server.received] == [b"abc", b"abc"]


# -- bodies ----------------------------------------------------------------------------------------------


def test_a_cut_body_says_how_much_came(client: Client) -> None:
    with serving(lambda _: cut(100, b"0123456789")) as server:
        with pytest.raises(TryAgainError, match="after 10 of 100 bytes") as caught:
            client.get(f"{server.url}/x?token=hidden", {}, CAP)
        assert caught.value.hint
        assert "hidden" not in str(caught.value)
        assert len(server.received) == RetryPolicy().tries, "a small body is asked for anew"


def test_a_stalled_body_is_given_up() -> None:
    release = threading.Event()
    head = Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123", then=lambda: release.wait(60))
    options = ClientOptions(read_timeout=0.1)
    with serving(lambda _: head) as server, connected(options) as client:
        with pytest.raises(TryAgainError, match="stalled after 3 of 9 bytes"):
            client.get(server.url, {}, CAP)
        release.set()


def test_no_answer_in_time_is_try_again(waits: Waits) -> None:
    release = threading.Event()
    silent = Answer(raw=b"", then=lambda: release.wait(60))
    with serving(lambda _: silent) as server, connected(ClientOptions(read_timeout=0.1, wait=waits)) as client:
        with pytest.raises(TryAgainError, match=server.host):
            client.get(server.url, {}, CAP)
        release.set()
    assert waits == []


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_the_cap_is_a_mismatch(client: Client, chunked: bool) -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n" if chunked else None
    with serving(lambda _: Answer(body=b"123456789", raw=raw)) as server:
        assert client.get(server.url, {}, 9).body == b"123456789"
        with pytest.raises(MismatchError, match="longer than 8 bytes"):
            client.get(server.url, {}, 8)


def test_the_body_of_an_error_is_cut(client: Client) -> None:
    with serving(lambda _: Answer(404, b"x" * 1000)) as server:
        assert client.get(server.url, {}, 256).body == b"x" * 256


# -- where it goes ---------------------------------------------------------------------------------------


def test_nobody_there_is_unreachable_and_says_what_to_check(client: Client, waits: Waits) -> None:
    port = closed_port()
    with pytest.raises(UnreachableError, match=rf"127\.0\.0\.1:{port}: .*refused") as caught:
        client.get(f"http://127.0.0.1:{port}/x", {}, CAP)
    assert "config get endpoint" in (caught.value.hint or "")
    assert len(waits) == 3


def test_a_name_that_is_none_is_unreachable(client: Client) -> None:
    with pytest.raises(UnreachableError, match=r"no-such-host\.invalid:443"):
        client.get("https://no-such-host.invalid/", {}, CAP)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://10.0.0.1:5000/x",
        "http://127.0.0.1.example.com/",
        "http://user:hunter2@127.0.0.1/",
        "http://127.0.0.1@example.com/",
        "http://127.0.0.1\\@example.com/",
        "https://exa mple.com/",
        "https:///x",
        "ftp://127.0.0.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "https://host\n/",
        "",
    ],
)
def test_only_https_or_this_machine(client: Client, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        client.get(url, {}, CAP)
    assert caught.value.hint
    assert "hunter2" not in str(caught.value)


def test_offline_asks_nobody() -> None:
    with serving(lambda _: Answer()) as server, connected(ClientOptions(offline=True)) as client:
        with pytest.raises(UnreachableError, match="offline"):
            client.get(server.url, {}, CAP)
        assert server.received == []


def test_a_token_goes_to_its_origin_alone() -> None:
    with serving(lambda _: Answer()) as mine, serving(lambda _: Answer()) as other:
        token = OriginIdentity(Origin.parse(mine.url), lambda: Identity(token=TOKEN))
        with connected(ClientOptions(), token) as client:
            client.get(mine.url, {}, CAP)
            client.get(other.url, {}, CAP)
            assert TOKEN not in repr(client) + repr(token)
        assert mine.received[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in other.received[0].headers


def test_a_token_is_asked_for_each_time() -> None:
    tokens = iter(["first", "second"])
    with serving(lambda _: Answer()) as server:
        token = OriginIdentity(Origin.parse(server.url), lambda: Identity(token=next(tokens)))
        with connected(ClientOptions(), token) as client:
            client.get(server.url, {}, CAP)
            client.get(server.url, {}, CAP)
        assert [received.headers["authorization"] for received in server.received] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("value", ["", " ", "a b", "line\nbreak", "ünicode"])
def test_a_token_that_cannot_be_sent_is_not_shown(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        authorization(Identity(token=value), Origin.parse("https://example.com"))
    assert not value.strip() or value not in str(caught.value)


def test_importing_the_client_does_not_import_httpx2() -> None:
    program = "import sys, d8_installer.registry.client as c; c.Client(); print('httpx2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
