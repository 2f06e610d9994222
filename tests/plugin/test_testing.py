"""What authors test with, on our own hooks and on plugins that are wrong: the suites pass and fail as they should."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from d8_hooks import checks, token
from d8_installer.errors import ConfigError, MismatchError, NotAllowedError
from d8_installer.model.value import replace
from d8_installer.plugin import (
    AskedSource,
    Check,
    Credential,
    CredentialRequest,
    Event,
    EventReporter,
    Finding,
    SwitchFacts,
    Verifier,
    hookimpl,
)
from d8_installer.testing.contract import Sample
from d8_installer.testing.hooks import (
    EVENTS,
    SWITCH,
    CheckContract,
    CredentialContract,
    ReporterContract,
    VerifierContract,
    check_context,
    hooks_of,
    other_digest,
    verify_subject,
)
from d8_installer.testing.memory import MemorySource

if TYPE_CHECKING:
    from pathlib import Path

    from d8_installer.plugin import CheckContext, VerifySubject

OURS = checks.d8_checks()


def by_digest(allowed: VerifySubject) -> Verifier:
    """A verifier that knows one index, and reads it."""

    def verify(subject: VerifySubject) -> None:
        if subject.index != allowed.index:
            raise NotAllowedError("not on the list", hint="ask for it")
        if subject.manifest(str(subject.index)).digest != subject.index:
            raise MismatchError("the source lies", hint="take another one")

    return Verifier("list", verify)


class TestVerifier(VerifierContract):
    @pytest.fixture
    def accepted(self) -> VerifySubject:
        sample, source = Sample.make("accepted", size=100), MemorySource()
        sample.publish(source)
        return verify_subject(sample, source)

    @pytest.fixture
    def refused(self, accepted: VerifySubject) -> VerifySubject:
        assert accepted.index is not None
        return replace(accepted, index=other_digest(accepted.index))

    @pytest.fixture
    def verifier(self, accepted: VerifySubject) -> Verifier:
        return by_digest(accepted)

    def test_the_suite_finds_a_verifier_by_name(self, accepted: VerifySubject, refused: VerifySubject) -> None:
        trusting = Verifier("name", lambda subject: None)
        with pytest.raises(AssertionError):
            self.test_another_image_of_that_name_is_not_accepted_for_it(trusting, refused, accepted)
        with pytest.raises(AssertionError):
            self.test_it_refuses_with_an_error_for_a_person(trusting, refused)


class TestOurChecks(CheckContract):
    @pytest.fixture(params=OURS, ids=[check.name for check in OURS])
    def check(self, request: pytest.FixtureRequest) -> Check:
        check: Check = request.param
        return check

    @pytest.mark.parametrize(
        "findings",
        [None, ["text"], [Finding("error", "Two.\nLines.")], [Finding("bad", "x")]],  # type: ignore[arg-type]
    )
    def test_the_suite_finds_bad_findings(self, findings: list[Finding]) -> None:
        with pytest.raises(AssertionError):
            self.test_it_returns_findings_in_every_state(Check("bad", lambda context: findings))


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text(" of-the-file \n")
    return tmp_path / "token"


class TestTypedToken(CredentialContract):
    @pytest.fixture
    def credential(self) -> Credential:
        return token.d8_credentials()[0]

    @pytest.fixture
    def request_for_token(self, token_file: Path) -> CredentialRequest:
        return CredentialRequest(endpoint="https://x", env={"D8_RPP_TOKEN": "t"}, token_file=str(token_file))


class TestExportedToken(CredentialContract):
    @pytest.fixture
    def credential(self) -> Credential:
        return token.d8_credentials()[1]

    @pytest.fixture
    def request_for_token(self, token_file: Path) -> CredentialRequest:
        return CredentialRequest(
            endpoint="https://x", env={"D8_RPP_TOKEN": "of-the-variable"}, configured_file=str(token_file)
        )


class TestConfiguredToken(CredentialContract):
    @pytest.fixture
    def credential(self) -> Credential:
        return token.d8_credentials()[2]

    @pytest.fixture
    def request_for_token(self, token_file: Path) -> CredentialRequest:
        return CredentialRequest(endpoint="https://x", configured_file=str(token_file))


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("content", [None, b"", b" \n"])
def test_a_file_without_a_token_is_a_configuration_error(number: int, content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    ask = token.d8_credentials()[number].token
    for path, says in ((file, "missing or empty"), (tmp_path, "cannot be read")):
        with pytest.raises(ConfigError, match=says):
            ask(CredentialRequest(endpoint="https://x", token_file=str(path), configured_file=str(path)))


class TestReporter(ReporterContract):
    @pytest.fixture
    def reporter(self) -> EventReporter:
        heard: list[Event] = []
        return EventReporter("list", heard.append)

    def test_the_suite_finds_one_that_fails(self) -> None:
        def only_notes(event: Event) -> None:
            if event.kind != "note":
                raise KeyError(event.kind)

        with pytest.raises(KeyError):
            self.test_it_accepts_every_kind_of_event(EventReporter("bad", only_notes))


def plugin(**hooks: object) -> object:
    return SimpleNamespace(**hooks)


@hookimpl
def d8_checks() -> list[Check]:
    return [Check("b", run=lambda context: []), Check("a", run=lambda context: [])]


def test_a_plugins_own_records_are_returned_by_name() -> None:
    taken = hooks_of(plugin(d8_checks=d8_checks))
    assert taken.hooks == ("d8_checks",)
    assert [check.name for check in taken.records("d8_checks", Check)] == ["a", "b"]


def test_a_check_that_takes_a_name_of_ours_is_found() -> None:
    @hookimpl
    def d8_checks() -> list[Check]:
        return [Check("path", run=lambda context: [])]

    with pytest.raises(ConfigError, match="'path' is offered by both"):
        hooks_of(plugin(d8_checks=d8_checks)).records("d8_checks", Check)


def test_hooks_that_return_nothing_are_called() -> None:
    heard: list[SwitchFacts] = []

    @hookimpl
    def d8_before_switch(switch: SwitchFacts) -> None:
        heard.append(switch)
        if switch.removed:
            raise NotAllowedError("no")

    with pytest.raises(NotAllowedError):
        hooks_of(plugin(d8_before_switch=d8_before_switch)).call("d8_before_switch", switch=SWITCH)
    assert heard == [SWITCH]


@pytest.mark.parametrize("bad", [plugin(), plugin(d8_checks=list), plugin(d8_cheks=d8_checks)])
def test_what_does_not_fit_is_refused(bad: object) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        hooks_of(bad)


def test_contexts_are_made_of_true_facts() -> None:
    assert check_context(moment="install").moment == "install"
    with pytest.raises(TypeError):
        check_context(nonsense=1)
    assert len({event.kind for event in EVENTS}) == 6


def path_check(context: CheckContext) -> list[Finding]:
    (check,) = [check for check in OURS if check.name == "path"]
    return check.run(context)


def test_our_checks_say_what_is_wrong() -> None:
    def levels(**facts: object) -> dict[str, list[str]]:
        context = check_context(**facts)
        return {check.name: [finding.level for finding in check.run(context)] for check in OURS}

    well = {"binaries": ["ok"], "d8": [], "endpoint": ["ok"], "home": ["ok"], "path": ["ok"], "plugins": []}
    assert levels() == well
    assert levels(is_on_path=False) == well | {"path": ["warning"]}
    assert levels(endpoint=None) == well | {"endpoint": ["warning"]}
    dead = AskedSource(address="https://a", token_from=None, problem="cannot connect", hint="check the address")
    assert levels(sources=(dead,)) == well | {"endpoint": ["error"]}
    assert levels(sources=(AskedSource(address="https://a"), dead)) == well | {"endpoint": ["ok", "warning"]}
    assert levels(sources=(AskedSource(address="https://a", was_asked=False),)) == well | {"endpoint": ["warning"]}
    assert levels(home_runs_programs=False) == well | {"home": ["error"]}
    assert levels(generation=3, binaries=("a",), missing=("a",)) == well | {"binaries": ["error"]}
    wrong = {"not_enabled": ("x",), "absent": ("y",), "broken": (("z", "why"),)}
    assert levels(**wrong) == well | {"plugins": ["error", "error", "warning"]}
