"""What a person is told of a source: by ``doctor``, by ``-v``, and where an image's name is mistyped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from d8_installer.testing.faults import FaultServer, fault_server, status
from d8_installer.testing.memory import MemorySource
from tests import images
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Completed

SECRET = "of-a-token-file"  # the token that must not be shown


class Asker(Person):
    """Somebody with a token that must not be shown."""

    def __init__(self, home: Path, server: FaultServer) -> None:
        super().__init__(home, server.url, env={"D8_PATIENCE": "1"})
        self.server = server

    def _command(self, *words: str, env: dict[str, str], cwd: str) -> Completed:
        done = super()._command(*words, env=env, cwd=cwd)
        assert SECRET not in done.out + done.err
        return done

    def findings(self, *words: str, **env: str) -> list[str]:
        """Return what ``doctor`` finds of the sources: level and message."""
        found = json.loads(self.run("--json", "doctor", *words, **env).out)["data"]["findings"]
        return [f"{one['level']}: {one['message']}" for one in found if one["check"] == "endpoint"]

    def tokens(self) -> set[str | None]:
        return {seen.headers.get("authorization") for seen in self.server.seen()}


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Asker]:
    source = MemorySource()
    for name in ("ruff", "vault"):
        source.add_image(f"deckhouse-cli/plugins/{name}", "v1.0.0", images.layer_of({"plugin": images.script(name)}))
    (tmp_path / "token").write_text(f"{SECRET}\n")
    with fault_server(source) as server:
        yield Asker(tmp_path / "home", server)


def test_doctor_asks_the_endpoint_once(person: Asker) -> None:
    assert person.findings() == [f"ok: {person.server.url} answers"]
    assert len(person.server.seen()) == 1


def test_doctor_says_where_the_token_comes_from(person: Asker) -> None:
    file = str(person.home.parent / "token")
    url = person.server.url
    assert person.findings("--token-file", file) == [f"ok: {url} answers (token from --token-file)"]
    assert person.findings(D8_RPP_TOKEN=SECRET) == [f"ok: {url} answers (token from D8_RPP_TOKEN)"]
    assert person.run("config", "set", "token_file", file).code == 0
    assert person.findings() == [f"ok: {url} answers (token from the setting token_file)"]
    assert person.tokens() == {f"Bearer {SECRET}"}


def test_the_configured_token_is_for_the_configured_endpoint_alone(person: Asker) -> None:
    for key, value in (("endpoint", "http://127.0.0.1:9"), ("token_file", str(person.home.parent / "token"))):
        assert person.run("config", "set", key, value).code == 0
    assert person.run("versions", "ruff").code == 0
    assert person.tokens() == {None}


@pytest.mark.parametrize("code", [401, 403, 502])
def test_doctor_reports_a_refusal(person: Asker, code: int) -> None:
    person.server.on("tags", status(code))
    (found,) = person.findings(D8_RPP_TOKEN=SECRET)
    assert found.startswith(f"error: {person.server.url} (token from D8_RPP_TOKEN): ")
    assert len(person.server.seen()) == 1
    assert person.run("doctor").code == 1


def test_doctor_reports_a_dead_port_and_an_absent_bundle(person: Asker) -> None:
    (found,) = person.findings("--endpoint", "http://127.0.0.1:9")
    assert found.startswith("error: http://127.0.0.1:9: cannot connect")
    (found,) = person.findings("--endpoint", "bundle:/nonexistent")
    assert found.startswith("error: bundle:/nonexistent: ")


def test_doctor_asks_every_source_and_only_warns_of_a_later_one(person: Asker) -> None:
    for key, value in (("endpoint", person.server.url), ("sources", "bundle:/nonexistent")):
        assert person.run("config", "set", key, value).code == 0
    first, second = person.findings(D8_RPP_ENDPOINT="")
    assert first == f"ok: {person.server.url} answers"
    assert second.startswith("warning: bundle:/nonexistent: ")


def test_doctor_asks_nothing_offline(person: Asker) -> None:
    (found,) = person.findings("--offline")
    assert found.startswith(f"warning: {person.server.url} was not asked")
    assert not person.server.seen()


def test_verbose_shows_each_request_with_status_and_time(person: Asker) -> None:
    done = person.run("-v", "install", "ruff", D8_RPP_TOKEN=SECRET)
    shown = [line for line in done.err.splitlines() if line.startswith("GET ")]
    assert len(shown) == len(person.server.seen())
    assert all(line.startswith(f"GET {person.server.url}/v1/images/deckhouse-cli/plugins/ruff/") for line in shown)
    assert all(line.endswith(" s, token from D8_RPP_TOKEN)") and ": 200 (" in line for line in shown)
    assert "GET " not in person.run("install", "vault").err


def test_a_mistyped_name_is_answered_with_the_one_that_is_known(person: Asker) -> None:
    assert person.run("install", "ruff").code == 0
    for words in (("install", "rufff"), ("versions", "ruf"), ("run", "rufff")):
        done = person.run(*words)
        assert done.code == 69
        assert done.err.splitlines()[-2:] == [
            f"error[no-such-image]: no image {words[-1]!r} at {person.server.url}",
            "hint: did you mean ruff?",
        ]


def test_a_name_like_no_other_is_not_answered_with_a_guess(person: Asker) -> None:
    assert person.run("install", "ruff").code == 0
    done = person.run("install", "zzz")
    assert (done.code, "did you mean" in done.err) == (69, False)


def test_a_missing_token_and_a_refused_one_are_told_apart(person: Asker) -> None:
    for code, without, refused in (
        (401, "wants a bearer token, and none was given", "refuses the token from D8_RPP_TOKEN"),
        (403, "does not let a request without a token download", "does not let the token from D8_RPP_TOKEN download"),
    ):
        person.server.reset()
        person.server.on("tags", status(code))
        for env, said in (({}, without), ({"D8_RPP_TOKEN": SECRET}, refused)):
            done = person.run("versions", "ruff", **env)
            assert (done.code, said in done.err) == (77, True), done


def test_the_hint_for_a_missing_token_can_be_followed(person: Asker) -> None:
    person.server.on("tags", status(401))
    assert "type `d8-installer login`" in person.run("versions", "ruff").err
    assert person.run("config", "set", "token_file", str(person.home.parent / "token")).code == 0
    refused = person.run("versions", "ruff").err
    assert "refuses the token from the setting token_file" in refused
    assert (
        "type `d8-installer config unset token_file` and `d8-installer login`" in refused
    )  # a login alone counts less


def test_a_refused_token_of_the_environment_is_renewed_there(person: Asker) -> None:
    person.server.on("tags", status(401))
    assert "set D8_RPP_TOKEN to a new one" in person.run("versions", "ruff", D8_RPP_TOKEN=SECRET).err


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("registry.example.com/root", "oci://registry.example.com/root for a registry"),
        ("/srv/images", "oci://HOST/ROOT for a registry, oci-layout:DIR for a directory"),
        ("docker://registry.example.com/root", "oci://HOST/ROOT for a registry, oci-layout:DIR for a directory"),
    ],
)
def test_an_address_in_another_spelling_is_answered_with_ours(person: Asker, typed: str, answer: str) -> None:
    for words in (("config", "set", "endpoint", typed), ("versions", "ruff", "--from", typed)):
        done = person.run(*words)
        assert answer in done.err, done
