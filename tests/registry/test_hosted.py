"""Hosted registries as a person meets them: publish and install with the installed command, against their habits."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.value import replace
from d8_installer.testing.hosted_registry import PASSWORD, USER, Habits, Hosted, hosted_registry
from tests.command import Completed, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPT = "#!/bin/sh\necho from the registry\n"


@dataclass(frozen=True)
class Person:
    home: Path

    def log_in(self, *hosts: str, password: str = PASSWORD) -> None:
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        (self.home / ".docker").mkdir(exist_ok=True)
        (self.home / ".docker/config.json").write_text(json.dumps({"auths": {host: {"auth": auth} for host in hosts}}))

    def publish(self, url: str, version: str = "v1.0.0", text: str = SCRIPT, *more: str) -> Completed:
        (self.home / "script").write_text(text)
        return run(
            *("publish", f"linux-amd64={self.home}/script", "--image", "hi", "--version", version, "--to", url, *more),
            home=str(self.home),
        )

    def install(self, url: str, **env: str) -> Completed:
        return run("install", "hi", "--endpoint", url, home=str(self.home), env={"XDG_RUNTIME_DIR": "/none", **env})


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


@contextmanager
def registry(person: Person, habits: Habits) -> Iterator[Hosted]:
    with hosted_registry(habits) as running:
        person.log_in(running.host)
        yield running


def good(done: Completed) -> Completed:
    assert done.code == 0, done
    assert PASSWORD not in f"{done}"
    assert "X-Amz-Signature" not in f"{done}"
    return done


STORED = Habits(redirect=307, store_refuses_head=True, store_takes_uploads=True)


@pytest.mark.parametrize(
    "habits",
    [
        Habits(),
        STORED,
        replace(STORED, redirect=301, store_refuses_head=False),
        Habits(tokens_end_with_a_post=True, redirect=308),
        Habits(upload_location=False, redirect=303, challenge="pull,push"),
    ],
)
def test_the_first_publish_and_an_install(person: Person, habits: Habits) -> None:
    """The repository is not there before, and Quay's challenge asks for ``pull`` alone."""
    with registry(person, habits) as running:
        good(person.publish(running.url))
        good(person.publish(running.url, "v1.1.0", SCRIPT + "#\n"))
        good(person.install(running.url))
        # No credentials go to the store, which would refuse them.
        assert not [one for one in running.asked if one.server == "store" and "authorization" in one.headers]
        # An upload whose token ended goes on, and is not begun again.
        ends = {one.target for one in running.asked if one.method == "PUT" and "/uploads/" in one.target}
        assert running.begun == len(ends) > 0


@pytest.mark.parametrize("immutable", [(409, "CONFLICT"), (412, "PRECONDITION"), (400, "TAG_INVALID")])
def test_a_tag_that_cannot_be_changed(person: Person, immutable: tuple[int, str]) -> None:
    with registry(person, Habits(immutable=immutable)) as running:
        good(person.publish(running.url))
        good(person.publish(running.url))  # the same bytes are there already
        done = person.publish(running.url, "v1.0.0", "#!/bin/sh\n", "--replace")
    assert done.code == 77, done
    assert "the tag v1.0.0 exists, and this registry does not allow a tag to change" in done.err
    assert "publish another version" in done.err


def test_a_broken_helper_stops_no_public_image_and_is_named_for_a_private_one(person: Person) -> None:
    with registry(person, Habits(public=True)) as running:
        good(person.publish(running.url))
        (person.home / ".docker/config.json").write_text('{"credsStore": "nowhere"}')
        good(person.install(running.url))
    with registry(person, Habits()) as running:
        good(person.publish(running.url))
        (person.home / ".docker/config.json").write_text('{"credsStore": "nowhere"}')
        done = run("versions", "hi", "--endpoint", running.url, home=str(person.home))
    assert done.code == 77, done
    assert "docker-credential-nowhere is not on PATH" in done.err
    assert f"docker login {running.host}" in done.err


def test_a_wrong_password_names_its_file(person: Person) -> None:
    with registry(person, Habits()) as running:
        person.log_in(running.host, password="wrong-secret")
        done = person.publish(running.url)
    assert done.code == 77, done
    assert f"refuses the credentials from {person.home}/.docker/config.json" in done.err
    assert "wrong-secret" not in f"{done}"


def test_verbose_says_where_the_credentials_are_from(person: Person) -> None:
    with registry(person, Habits()) as hosted:
        good(person.publish(hosted.url))
        done = good(run("-v", "versions", "hi", "--endpoint", hosted.url, home=str(person.home)))
    assert f"identity for {hosted.host}: credentials from {person.home}/.docker/config.json" in done.err
    assert f"GET http://{hosted.host}/v2/root/deckhouse-cli/plugins/hi/tags/list: 200 (" in done.err
    assert " s, with credentials)" in done.err
    assert PASSWORD not in done.err
