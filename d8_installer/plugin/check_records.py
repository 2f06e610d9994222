"""The records of hooks that judge: verifiers of images, and checks of the house. Frozen values, cheap to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from d8_installer.model.value import Struct, field, repr_without

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.model.digest import Digest
    from d8_installer.model.platform import Platform
    from d8_installer.model.source import ManifestBytes

Moment = Literal["doctor", "install"]
Level = Literal["ok", "warning", "error"]


class VerifySubject(Struct, frozen=True, kw_only=True):
    """An image that is about to be placed. Its layer is not fetched yet; its digests are the lock's.

    ``image`` is the repository path, ``index`` None for a tag that is a single ImageManifest, ``size`` the layer's
    compressed bytes, ``source`` what a person calls the source. ``manifest`` reads another manifest of this image
    from the same source, by tag or by digest (then the bytes are proven to have it); it raises what
    ``Source.manifest`` raises.
    """

    image: str
    tag: str
    index: Digest | None
    child: Digest
    layer: Digest
    size: int
    platform: Platform
    source: str
    manifest: Callable[[str], ManifestBytes]


class Verifier(Struct, frozen=True):
    """Somebody who may refuse an image: ``verify`` raises a D8Error (MismatchError, NotAllowedError) to do so."""

    name: str
    verify: Callable[[VerifySubject], None]


class Finding(Struct, frozen=True):
    """What a check found: one lowercase clause, and what to type next. An ``error`` ends an install."""

    level: Level
    message: str
    hint: str | None = None


class AskedSource(Struct, frozen=True, kw_only=True):
    """A source that ``doctor`` asked once: ``address`` may be shown; ``problem`` is None if it answered.

    ``token_from`` names where the token that it got comes from, or is None. ``hint`` is what to type next.
    ``was_asked`` is False where the network is forbidden.
    """

    address: str
    token_from: str | None = None
    problem: str | None = None
    hint: str | None = None
    was_asked: bool = True


class CheckContext(Struct, frozen=True, kw_only=True):
    """The house as it is when checks run. Facts only; nothing in it is a secret, and ``env`` is not in the repr.

    ``endpoint`` is None where none is set; ``generation`` None where nothing was ever placed; ``binaries`` are the
    names in ``bin``, ``missing`` those whose file is gone or has another size. ``home_runs_programs`` is
    False on a file system mounted noexec. Plugins: ``not_enabled`` are found, ``absent`` enabled and not found,
    ``broken`` (name, why). ``withheld`` are binaries that are kept out of ``bin``; ``broken_manifests`` (name, why) are
    plugins that a sync leaves out. ``shadowed`` tells of each name in ``bin`` that another file on PATH has.
    ``sources`` are the sources that were asked, in their order: at "doctor" only.
    ``changed`` (name, how) are binaries whose file something else changed. Of the home:
    ``not_writable`` are the directories in it that this user cannot write to and should, ``scattered`` says what of it
    lies elsewhere, ``stranger`` who else owns it; others may write to it if it is ``open_to_others``.
    ``bin_leads_to`` is what ``bin`` leads to where that is not the active generation; ``bad_path_entry`` says why
    ``bin_directory`` cannot be on PATH, ``path_hint`` what to type so that it is.
    """

    moment: Moment
    home: str
    bin_directory: str
    is_on_path: bool
    home_runs_programs: bool
    endpoint: str | None
    platform: Platform
    profile: str
    generation: int | None = None
    binaries: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    not_enabled: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    broken_manifests: tuple[tuple[str, str], ...] = ()
    shadowed: tuple[str, ...] = ()
    sources: tuple[AskedSource, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    not_writable: tuple[str, ...] = ()
    scattered: str | None = None
    stranger: str | None = None
    open_to_others: bool = False
    bin_leads_to: str | None = None
    bad_path_entry: str | None = None
    path_hint: str | None = None

    def __repr__(self) -> str:
        return repr_without(self, "env")


class Check(Struct, frozen=True):
    """Something that can be looked at: ``run`` returns its findings, a list; none means that there is nothing to say.

    ``moments``: ``doctor`` runs all that have "doctor"; those that have "install" run before anything new is placed.
    """

    name: str
    run: Callable[[CheckContext], list[Finding]]
    moments: tuple[Moment, ...] = ("doctor",)
