"""Hypothesis strategies for the values of ``model``, and a catalogue: a whole source held in two dictionaries."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import tomli_w
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from d8_installer.errors import NotFoundError
from d8_installer.model.contract import Contract, ModuleGroup, ModuleNeeds, Need, PluginNeeds
from d8_installer.model.digest import Digest
from d8_installer.model.facts import ClusterFacts, ModuleFact
from d8_installer.model.generation import Generation, Placed, Placement
from d8_installer.model.lock import ANY_PLATFORM, Lock, LockedImage, Pin
from d8_installer.model.manifest import Manifest
from d8_installer.model.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName
from d8_installer.model.requirement import Request
from d8_installer.model.resolution import Answers, ContractOf, ManifestOf, TagsOf
from d8_installer.model.run_gate import INJECTED
from d8_installer.model.source import ManifestBytes
from d8_installer.model.value import field_names
from d8_installer.model.version import Specifier
from d8_installer.model.wrapper import Wrapper
from tests.forms import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    from d8_installer.model.resolution import Question

Made = TypeVar("Made")

# The same examples every time, on a machine however busy.
steady = settings(
    max_examples=examples(100),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],  # explaining slows every example
    suppress_health_check=[HealthCheck.too_slow],
)

LINUX = Platform("linux", "amd64")
LINUX_ARM = Platform("linux", "arm64")
MAC = Platform("darwin", "arm64")
WINDOWS = Platform("windows", "amd64")

# -- names and numbers ---------------------------------------------------------------------------------------

digests = st.integers(0, 2**256 - 1).map(lambda number: Digest(f"{number:064x}"))
platforms = st.sampled_from([LINUX, LINUX_ARM, MAC, WINDOWS, Platform("freebsd", "386")])
sizes = st.integers(1, 1 << 40)

_words = st.text("abc019", min_size=1, max_size=4)


def built(kind: Callable[..., Made], *parts: SearchStrategy[Any]) -> SearchStrategy[Made]:
    """As ``st.builds``, which evaluates a Struct's annotations: many of their types are imported for mypy alone."""
    if isinstance(kind, type):
        names = field_names(kind)
        return st.tuples(*parts).map(lambda values: kind(**dict(zip(names, values, strict=False))))
    return st.tuples(*parts).map(lambda values: kind(*values))


@st.composite
def _image_names(draw: st.DrawFn) -> ImageName:
    first, *others = draw(st.lists(_words, min_size=1, max_size=3))
    return ImageName(first + "".join(draw(st.sampled_from("._-")) + word for word in others))


image_names = st.sampled_from(["deckhouse-cli", "stronghold", "a", "b"]).map(ImageName) | _image_names()
binary_names = st.builds(
    lambda first, rest: f"{first}{rest}".rstrip("."), st.sampled_from("xyz9"), st.text("ab0._+-", max_size=8)
)
member_names = st.sampled_from(["plugin", "d8", "with space", "é.bin", '"quoted"', "#no comment", "[[images]]"])
tags = st.sampled_from(["v1.0.0", "1.0.0", "v1.2.3", "v1.3.0-rc.1", "v2.0.0", "latest", "_x.Y-1"])
ranges = st.sampled_from(["*", ">=1.4, <2", "^1", "~1.2", "==1.2.3", "~=1.4", ">=0-0", "1 || 2", "!=1.3"])
requesters = st.sampled_from(["d8.toml", "d8-plug-vault", "Plug.In", "a_b", "0", "x" * 128, "image:stronghold"])

# -- contracts ------------------------------------------------------------------------------------------------

_any_names = st.sampled_from(["stronghold", "a", "b", "c", "é", "with space"])
_constraints = st.sampled_from(["", ">=1.2", "^1 || ^2", "< 2", "1 - 2"])
_plain_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


@st.composite
def _needs(draw: st.DrawFn, names: SearchStrategy[str]) -> tuple[Need, ...]:
    return tuple(Need(name, draw(_constraints)) for name in draw(st.lists(names, max_size=3, unique=True)))


@st.composite
def _module_groups(draw: st.DrawFn, prefix: str) -> tuple[ModuleGroup, ...]:
    names = draw(st.lists(_plain_text.filter(bool), max_size=2, unique=True))
    members = st.sampled_from([f"{prefix}{letter}" for letter in "xyz"])
    return tuple(
        ModuleGroup(
            name=name,
            description=draw(_plain_text),
            modules=tuple(Need(one, draw(_constraints)) for one in draw(st.sets(members, min_size=1))),
        )
        for name in names
    )


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """A contract that is valid: no module is in two of its sections."""
    return Contract(
        name=draw(_plain_text.filter(bool)),
        version=draw(_plain_text.filter(bool)),
        description=draw(_plain_text),
        env=tuple(draw(st.lists(_plain_text, max_size=2))),
        flags=tuple(draw(st.lists(_plain_text, max_size=2))),
        kubernetes=draw(_constraints | _plain_text),
        deckhouse=draw(_constraints | _plain_text),
        modules=ModuleNeeds(
            mandatory=draw(_needs(_any_names)),
            conditional=draw(_needs(st.sampled_from(["d", "e", "f"]))),
            any_of=draw(_module_groups("any-")),
            none_of=draw(_module_groups("none-")),
        ),
        plugins=PluginNeeds(draw(_needs(image_names.map(str))), draw(_needs(image_names.map(str)))),
    )


_cluster_versions = st.none() | st.sampled_from(["v1.28.3", "1.30.0-rc.1", "v1.2.3-main+b", "0.1"])
facts = st.builds(
    lambda kinds, kubernetes, deckhouse, modules, cluster: ClusterFacts(
        kinds=kinds,
        kubernetes=kubernetes if "kubernetes" in kinds else None,
        deckhouse=deckhouse if "deckhouse" in kinds else None,
        modules=modules if "modules" in kinds else {},
        cluster=cluster,
    ),
    st.frozensets(st.sampled_from(["kubernetes", "deckhouse", "modules"])),
    _cluster_versions,
    _cluster_versions,
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "d", "any-x", "none-y", "é"]),
        st.builds(ModuleFact, st.booleans(), _cluster_versions),
    ),
    _plain_text,
)

# -- manifests -----------------------------------------------------------------------------------------------

_binaries = st.dictionaries(binary_names, member_names, min_size=1, max_size=3).map(lambda d: tuple(sorted(d.items())))
_platform_lists = st.none() | st.lists(platforms, min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def requests(draw: st.DrawFn, names: SearchStrategy[ImageName] = image_names) -> Request:
    """One entry of a manifest; a digest comes with ``===TAG``."""
    digest = draw(st.none() | digests)
    version = "===" + draw(tags) if digest is not None else draw(ranges)
    parts = draw(st.tuples(_binaries, _platform_lists, st.booleans()))
    return Request(draw(names), Specifier.parse(version), *parts, digest)


manifests = built(
    Manifest,
    st.lists(requests(), max_size=4, unique_by=lambda request: request.name).map(tuple),
    st.lists(platforms, max_size=3, unique=True).map(lambda some: tuple(sorted(some))),
)


def request_table(request: Request) -> dict[str, object]:
    """Return a request as the keys of its ``[[images]]``, with every default left out."""
    table: dict[str, object] = {"name": str(request.name)}
    if request.version.text != "*":
        table["version"] = request.version.text
    if request.binaries != (request.name.default_binary,):
        table["binaries"] = dict(request.binaries)
    if request.platforms is not None:
        table["platforms"] = [str(platform) for platform in request.platforms]
    if request.optional:
        table["optional"] = True
    if request.digest is not None:
        table["digest"] = str(request.digest)
    return table


def manifest_text(manifest: Manifest) -> str:
    """Return a ``d8.toml`` that says *manifest*."""
    demanded = {"platforms": [str(platform) for platform in manifest.platforms]} if manifest.platforms else {}
    return tomli_w.dumps({"schema": 1, **demanded, "images": [request_table(entry) for entry in manifest.requests]})


# -- locks ---------------------------------------------------------------------------------------------------

_plain = st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(max_size=5) | st.floats(allow_nan=False)
_nested = st.recursive(
    _plain,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
# Keys that a newer tool may have written, beside ours.
extras: SearchStrategy[dict[str, object]] = st.dictionaries(
    st.text(max_size=4).map(lambda text: f"new{text}"), _nested, max_size=2
)
_ranges_of_needs = st.sampled_from(["", ">=1.1, <2", "^1", ">= 1 || 3.x", "*"])
_locked_needs = st.dictionaries(image_names.map(str), _ranges_of_needs, max_size=2).map(
    lambda needs: tuple(sorted(needs.items()))
)
pins = built(Pin, digests, digests, sizes, extras)


@st.composite
def locked_images(draw: st.DrawFn) -> LockedImage:
    """One entry of a lock, as an index for some platforms or as a single ImageManifest."""
    index = draw(st.none() | digests)
    keys = platforms.map(str) if index is not None else st.just(ANY_PLATFORM)
    by_platform = draw(st.dictionaries(keys, pins, min_size=1, max_size=3))
    lines = draw(st.dictionaries(requesters, digests, min_size=1, max_size=3))
    return LockedImage(
        name=draw(image_names),
        version=draw(tags),
        index=index,
        binaries=draw(_binaries),
        requests=tuple(sorted(lines.items())),
        platforms=tuple(sorted(by_platform.items())),
        optional=draw(st.booleans()),
        extra=draw(extras),
        demanded=tuple(sorted(draw(st.lists(platforms, max_size=2, unique=True)))),
        contract=draw(st.none() | digests),
        needs=draw(_locked_needs),
        needs_if_present=draw(_locked_needs),
    )


locks = built(Lock.of, st.lists(locked_images(), max_size=3, unique_by=lambda image: image.name), extras)

# -- generations ---------------------------------------------------------------------------------------------

placements = built(
    Placement,
    binary_names,
    image_names,
    tags,
    digests,
    member_names,
    st.lists(digests, max_size=2).map(tuple),
    st.booleans(),
    st.none() | digests,
    st.booleans(),
)
wrappers = built(
    Wrapper,
    st.sampled_from([(), *((name,) for name in INJECTED), INJECTED]),
    st.booleans(),
    st.text("a'/ $", max_size=9).map("/".__add__),
)
generations = built(
    Generation,
    st.integers(1, 10**6),
    platforms,
    st.just("2026-01-02T03:04:05Z"),
    st.text(max_size=10),
    st.lists(built(Placed, placements, digests, sizes, st.none() | wrappers), max_size=3).map(tuple),
    st.text(max_size=10),
)

# -- what sources answer -------------------------------------------------------------------------------------


def descriptor(raw: bytes, **changes: object) -> dict[str, object]:
    """Return the index entry that rightly describes the ImageManifest *raw*, but for *changes* (None: left out)."""
    entry = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(raw)), "size": len(raw), **changes}
    return {key: value for key, value in entry.items() if value is not None}


def image_manifest(*layers: bytes) -> bytes:
    """Return an ImageManifest of *layers*, lowest first."""
    entries = [descriptor(layer, mediaType=OCI_LAYER_GZIP) for layer in layers]
    config = descriptor(b"{}", mediaType=OCI_CONFIG)
    return _json({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": entries})


def platform_entry(platform: Platform) -> dict[str, str]:
    """Return a descriptor's ``platform``."""
    return {"os": platform.os, "architecture": platform.architecture}


def image_index(entries: Iterable[Mapping[str, object]]) -> bytes:
    """Return an ImageIndex of *entries*."""
    return _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)})


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


@dataclass
class Catalogue:
    """A source in dictionaries: repository path to tag to bytes, (path, digest) to bytes. Notes what it is asked."""

    tagged: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict, repr=False)
    asked: list[Question] = field(default_factory=list)
    contracts: dict[tuple[str, str], Contract] = field(default_factory=dict, repr=False)

    def put(self, name: str, tag: str, raw: bytes) -> Digest:
        """Make *tag* mean *raw*."""
        self.tagged.setdefault(ImageName(name).path, {})[tag] = raw
        return Digest.of(raw)

    def child(self, name: str, raw: bytes, platform: Platform | None, **changes: object) -> dict[str, object]:
        """Keep the ImageManifest *raw* and return the index entry for it."""
        entry = descriptor(raw, platform=platform and platform_entry(platform), **changes)
        self.blobs[ImageName(name).path, str(entry["digest"])] = raw
        return entry

    def publish(self, name: str, *versions: str, on: Sequence[Platform] = (LINUX, MAC)) -> None:
        """Make each of *versions* an index with one build for each platform."""
        for tag in versions:
            builds = [(image_manifest(f"{name} {tag} {platform}".encode()), platform) for platform in on]
            self.put(name, tag, image_index(self.child(name, raw, platform) for raw, platform in builds))

    def require(self, name: str, tag: str, contract: Contract) -> None:
        """Give the version a contract, whatever its bytes are."""
        self.contracts[ImageName(name).path, tag] = contract

    def answer(self, needs: Sequence[Question]) -> Answers:
        """Answer one round, as a source would: an unknown image has no tags."""
        self.asked += needs
        return Answers(
            contracts={
                need: self.contracts.get((need.image, need.tag)) for need in needs if isinstance(need, ContractOf)
            },
            tags={need: tuple(self.tagged.get(need.image, {})) for need in needs if isinstance(need, TagsOf)},
            manifests={
                n: ManifestBytes(self._find(n), "") for n in needs if isinstance(n, ManifestOf) and self._has(n)
            },
        )

    def _has(self, need: ManifestOf) -> bool:
        return not need.may_fail or need.ref in self.tagged.get(need.image, {})

    def _find(self, need: ManifestOf) -> bytes:
        raw = self.tagged.get(need.image, {}).get(need.ref) or self.blobs.get((need.image, need.ref))
        if raw is None:
            raise NotFoundError(f"{need.image}:{need.ref} is not there")
        return raw


_versions = st.lists(
    st.sampled_from(["v1.0.0", "1.0.0", "v1.2.3", "v1.3.0", "v1.4.0-rc.1", "v2.0.0", "v2.1.0", "latest"]),
    max_size=4,
    unique=True,
)
_offers = st.tuples(_versions, st.lists(platforms.filter(lambda one: one != LINUX), max_size=2, unique=True))
CATALOGUE_NAMES = ("a", "b", "deckhouse-cli")


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """A catalogue of CATALOGUE_NAMES, all with a v1.5.0, and everything for LINUX at least."""
    catalogue = Catalogue()
    for name in CATALOGUE_NAMES:
        versions, others = draw(_offers)
        catalogue.publish(name, "v1.5.0", *versions, on=[LINUX, *others])
    return catalogue


NEEDY_NAMES = ("a", "b", "c", "d", "package")
_BOUNDS = ("", ">=1", ">=1.1", "<2", "^1", "^2", ">=1.2 || <1.1")


def _needs_of(chance: Random) -> PluginNeeds:
    mandatory = {chance.choice(NEEDY_NAMES): chance.choice(_BOUNDS) for _ in range(chance.randrange(3))}
    conditional = {chance.choice(NEEDY_NAMES): chance.choice(_BOUNDS) for _ in range(chance.randrange(2))}
    return PluginNeeds(*(tuple(Need(*pair) for pair in needs.items()) for needs in (mandatory, conditional)))


def needy_catalogue(seed: int) -> Catalogue:
    """Return a catalogue of NEEDY_NAMES whose versions need each other: in circles too, and what cannot be had."""
    chance, catalogue = Random(seed), Catalogue()  # noqa: S311 - the same catalogue of the same seed
    for name in NEEDY_NAMES:
        for tag in chance.sample(["v1.0.0", "v1.1.0", "v1.2.0", "v2.0.0"], chance.randint(int(name != "d"), 3)):
            catalogue.publish(name, tag, on=[LINUX])
            if name in "abc" and chance.random() < 0.7:
                catalogue.require(name, tag, Contract(name=name, version=tag, plugins=_needs_of(chance)))
    return catalogue


needy_catalogues = st.integers(0, 1 << 32).map(needy_catalogue)


# What hostile text looks like: near TOML, near JSON, and anything.
near_toml = st.text(st.sampled_from("[]{}=.,\"'#\n\r\\ a1-_:T+\u2028é\x00"), max_size=40)
any_bytes = st.binary(max_size=60) | near_toml.map(str.encode) | st.text(max_size=40).map(str.encode)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def flipped(text: str, place: int) -> str:
    """Return *text* with the hexadecimal digit at *place* changed to another."""
    return text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]
