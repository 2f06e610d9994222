"""The test kit for authors of hooks: load a plugin as the tool does, facts to call it with, and contract suites.

In a test module, with pytest (which this file does not import)::

    import d8_toy

    def test_it_fits() -> None:
        (check,) = hooks_of(d8_toy).records("d8_checks", Check)
        assert check.run(check_context()) == []

    class TestMyVerifier(VerifierContract):
        @pytest.fixture
        def verifier(self) -> Verifier: ...
        @pytest.fixture
        def accepted(self) -> VerifySubject: ...
        @pytest.fixture
        def refused(self) -> VerifySubject: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from d8_installer.errors import D8Error, UnreachableError
from d8_installer.model.digest import Digest
from d8_installer.model.identity import Identity
from d8_installer.model.platform import Platform
from d8_installer.model.value import Struct, replace
from d8_installer.plugin.calling import Hooks, Loaded, LoadedPlugin
from d8_installer.plugin.loading import examine
from d8_installer.plugin.records import (
    AskedSource,
    CheckContext,
    CredentialRequest,
    Event,
    Finding,
    FindingLevel,
    Moment,
    SwitchFacts,
    VerifySubject,
)
from d8_installer.testing.contract import expect, expect_raises

if TYPE_CHECKING:
    from d8_installer.model.source import ManifestBytes, Source
    from d8_installer.plugin.calling import Record
    from d8_installer.plugin.records import Check, Credential, EventReporter, Verifier
    from d8_installer.testing.contract import Sample

_PLATFORM = Platform("linux", "amd64")
EVENTS = (
    Event("note", "a note"),
    Event("warning", "a warning"),
    Event("transfer-begun", "fetching hello v1.0.0", {"name": "hello v1.0.0", "bytes": 1000}),
    Event("transfer-done", "fetched hello v1.0.0", {"name": "hello v1.0.0", "bytes": 1000}),
    Event("switched", "your profile: generation 2", {"profile": "user", "generation": 2, "reason": "sync"}),
    Event("finished", "done", {"error": ""}),
)
"""One event of each kind."""
SWITCH = SwitchFacts(
    profile="your profile",
    before=1,
    after=2,
    reason="sync",
    added=("new",),
    changed=("changed",),
    removed=("old",),
    bin_directory="/home/me/bin",
)
"""A switch that adds, changes and removes a binary."""


class PluginUnderTest(Struct, frozen=True):
    """A plugin that the tool accepts; ``hooks`` are the names of the hooks that it implements."""

    hooks: tuple[str, ...]
    _asked: Hooks

    def records(self, hook: str, kind: type[Record], **facts: object) -> list[Record]:
        """Return the plugin's records of *hook*, sorted by name; *facts* are the hook's arguments.

        Raise ConfigError, with the message that a person would see, for anything that the tool would not accept.
        """
        offers = self._asked.records(hook, kind, facts)
        return [offer.record for offer in offers if offer.plugin == _LABEL]

    def call(self, hook: str, **facts: object) -> None:
        """Call a hook that returns nothing; raise the D8Error that the tool would receive."""
        for failure in self._asked.call(hook, facts):
            raise failure.error


_LABEL = "the plugin"


def hooks_of(plugin: object) -> PluginUnderTest:
    """Load *plugin*, a module or any object, as the tool does; ConfigError if the tool would not accept it."""
    hooks = examine(_LABEL, plugin)
    loaded = LoadedPlugin(name="the-plugin", version="1.0", objects={_LABEL: plugin}, hooks=hooks)
    return PluginUnderTest(hooks, Hooks(Loaded((loaded,))))


def check_context(**facts: object) -> CheckContext:
    """Return the facts of an installation without problems, with *facts* in place of some; TypeError if unknown."""
    endpoint = "https://proxy.example"
    well = CheckContext(
        moment="doctor",
        home="/home/me/d8",
        bin_directory="/home/me/d8/bin",
        is_on_path=True,
        home_runs_programs=True,
        endpoint=endpoint,
        platform=_PLATFORM,
        profile="your profile",
        sources=(AskedSource(address=endpoint, token_from="the kubeconfig"),),
    )
    return replace(well, **facts)


def verify_subject(sample: Sample, source: Source, platform: Platform = _PLATFORM) -> VerifySubject:
    """Return the subject that a verifier gets for *sample*, published in *source*, on *platform*."""
    request = sample.request(platform)

    def read(ref: str) -> ManifestBytes:
        return source.manifest(sample.image, ref)

    return VerifySubject(
        image=request.image,
        tag=request.tag,
        index=request.index,
        child=request.child,
        layer=request.layer,
        size=request.size,
        platform=platform,
        source=source.name,
        manifest=read,
    )


class VerifierContract:
    """The tests of a Verifier. Subclasses define the fixtures ``verifier``, ``accepted`` and ``refused`` (subjects)."""

    def test_what_it_accepts_it_accepts_again(self, verifier: Verifier, accepted: VerifySubject) -> None:
        for _ in range(2):
            verifier.verify(accepted)

    def test_it_refuses_with_an_error_for_a_person(self, verifier: Verifier, refused: VerifySubject) -> None:
        error = expect_raises(D8Error, lambda: verifier.verify(refused), "a refused image")
        expect(error.message and error.message.isprintable(), "the error has a message")
        expect(error.hint, "the error says what to do")

    def test_a_source_that_is_down_is_not_a_consent(self, verifier: Verifier, refused: VerifySubject) -> None:
        def down(ref: str) -> ManifestBytes:
            raise UnreachableError(f"{ref} cannot be read")

        unreadable = replace(refused, manifest=down)
        expect_raises(D8Error, lambda: verifier.verify(unreadable), "a refused image whose source is down")

    def test_another_image_of_that_name_is_not_accepted_for_it(
        self, verifier: Verifier, refused: VerifySubject, accepted: VerifySubject
    ) -> None:
        disguised = replace(refused, image=accepted.image, tag=accepted.tag)
        expect_raises(D8Error, lambda: verifier.verify(disguised), "a refused image under an accepted one's name")


class CheckContract:
    """The tests of a Check. Subclasses define the fixture ``check``."""

    def test_it_returns_findings_in_every_state(self, check: Check) -> None:
        expect(set(check.moments) <= set(get_args(Moment)), f"{check.name} runs at moments that there are")
        bare = {"endpoint": None, "generation": None, "is_on_path": False, "home_runs_programs": False}
        for moment in check.moments:
            for context in (check_context(moment=moment), check_context(moment=moment, **bare)):
                findings: object = check.run(context)
                expect(isinstance(findings, list), f"{check.name} returns a list")
                for finding in findings if isinstance(findings, list) else ():
                    _expect_finding(check.name, finding)

    def test_the_same_state_gives_the_same_findings(self, check: Check) -> None:
        expect(check.run(check_context()) == check.run(check_context()), f"{check.name} changes nothing")


def _expect_finding(name: str, finding: object) -> None:
    if not isinstance(finding, Finding):
        raise AssertionError(f"{name} returns {finding!r}, which is not a Finding")
    expect(finding.level in get_args(FindingLevel), f"{name}: {finding.level} is a level")
    expect(finding.message and "\n" not in finding.message, f"{name}: the message is one line")
    expect(not finding.message.endswith("."), f"{name}: the message has no final stop")


class CredentialContract:
    """The tests of a Credential. Subclasses define ``credential`` and ``request_for_token``, which it answers."""

    def test_it_knows_a_token(self, credential: Credential, request_for_token: CredentialRequest) -> None:
        found = credential.token(request_for_token)
        token = found if isinstance(found, str) else found.token if isinstance(found, Identity) else None
        if not isinstance(token, str) or not token.strip():
            raise AssertionError("the token is not text")
        expect(token not in repr(credential), "the token is not in the record's repr")

    def test_without_a_token_it_returns_none(self, credential: Credential) -> None:
        expect(credential.token(CredentialRequest(endpoint="https://proxy.example")) is None, "None, and no exception")


class ReporterContract:
    """The tests of an EventReporter. Subclasses define the fixture ``reporter``."""

    def test_it_accepts_every_kind_of_event(self, reporter: EventReporter) -> None:
        for event in EVENTS:
            reporter.event(event)


def other_digest(digest: Digest) -> Digest:
    """Return a digest that differs from *digest*, for subjects that must be refused."""
    return Digest.of(digest.hex.encode())
