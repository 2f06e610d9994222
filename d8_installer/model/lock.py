"""``d8.lock``: the resolution pinned by digest, for every platform. Text to value, and back to the same text.

No value in it concerns more than one image, so the changes of two branches touch different lines. Unknown keys are
kept for newer tools.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import DocumentError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.document import Table, decode_utf8, parse_toml
from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName, is_tag, parse_binary_name, parse_member
from d8_installer.model.requirement import OWN_MANIFEST, parse_requester
from d8_installer.model.source import LayerRequest
from d8_installer.model.value import Struct, field
from d8_installer.model.version import Specifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

K = TypeVar("K")
V = TypeVar("V")

LOCK_VERSION = 1
FILE_NAME = "d8.lock"
ANY_PLATFORM = "any"
"""The one platform key of a tag that is a single ImageManifest."""
REPAIR = "restore the file from git, or remove it and type `d8-installer lock`"
_JOIN = "type `d8-installer lock`: it merges what only one side changed, and names the rest"
_MAX_LOCK_TOML = 64 << 20
MAX_LAYER_BYTES = 1 << 40
_COMMENT = "  # entry "
_NEEDS = ("needs", "needs_if_present")
END = "# end of d8.lock\n"
"""The last line never changes, so that git can merge an image added at the end with a change of the last one."""


class Pin(Struct, frozen=True, kw_only=True):
    """One platform's build: the child manifest, its last layer, and that layer's compressed bytes."""

    child: Digest
    layer: Digest
    size: int
    extra: Mapping[str, object] = field(default_factory=dict)


class LockedImage(Struct, frozen=True, kw_only=True):
    """One image pinned. Pairs are sorted by their first member.

    ``index`` is None for a single ImageManifest; its only platform key is ``any``. ``requests`` pairs each requester
    with the hash of its request. ``optional``: no requester needs the image on a platform that it lacks. ``demanded``
    are the platforms that the project's manifest demands of every image, sorted. ``contract`` is the digest of the
    contract as it is kept, None if the image has none (or if an older tool locked it). ``needs`` pairs the images that
    it needs with the constraints of the contract (``""``: any version); ``needs_if_present`` those that must be in the
    range if they are locked, and are not locked for it.
    """

    name: ImageName
    version: str
    index: Digest | None
    binaries: tuple[tuple[str, str], ...]
    requests: tuple[tuple[str, Digest], ...]
    platforms: tuple[tuple[str, Pin], ...]
    optional: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)
    demanded: tuple[Platform, ...] = ()
    contract: Digest | None = None
    needs: tuple[tuple[str, str], ...] = ()
    needs_if_present: tuple[tuple[str, str], ...] = ()

    def pin_for(self, platform: Platform) -> Pin | None:
        """Return the pin that serves *platform*, or None."""
        pins = dict(self.platforms)
        return pins.get(str(platform)) or pins.get(ANY_PLATFORM)

    def layer_request(self, platform: Platform | None) -> LayerRequest:
        """Return the request for the layer that serves *platform*, None for that of a single ImageManifest.

        NotFoundError where the image is not locked for it.
        """
        pin = self.platforms[0][1] if platform is None else self.pin_for(platform)
        if pin is None:
            raise NotFoundError(
                f"{self.name} {self.version} is not locked for {platform}", code="no-build-for-platform"
            )
        return LayerRequest(
            image=self.name.path,
            tag=self.version,
            platform=platform,
            index=self.index,
            child=pin.child,
            layer=pin.layer,
            size=pin.size,
        )

    def layer_requests(self) -> Iterator[LayerRequest]:
        """Yield the request of every platform that is locked."""
        return (self.layer_request(platform_of(key)) for key, _ in self.platforms)

    @property
    def is_own(self) -> bool:
        """Whether the profile's own manifest wants it."""
        return any(requester == OWN_MANIFEST for requester, _ in self.requests)

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins that want it, and the images that need it."""
        return tuple(requester for requester, _ in self.requests if requester != OWN_MANIFEST)

    @property
    def top(self) -> Digest:
        """The digest that the tag means: that of the index, or of the single manifest."""
        return self.index if self.index is not None else self.platforms[0][1].child

    @property
    def members(self) -> tuple[str, ...]:
        """The files that are taken out of the image, sorted, each once."""
        return tuple(sorted({member for _, member in self.binaries}))

    def render(self) -> str:
        """Return the entry's text, with the `entry_hash` of all the rest in a comment."""
        import tomli_w

        text = tomli_w.dumps({"images": [_render_image(self)]})
        version = tomli_w.dumps({"version": self.version}).rstrip("\n")
        return text.replace(f"\n{version}\n", f"\n{version}{_COMMENT}{_hash_of(text)}\n", 1)

    @property
    def entry_hash(self) -> str:
        """A short hash of the entry, which two different edits of it change differently.

        It stands on a line inside the entry, so that git never merges two edits of one image line by line: that could
        put a platform of one version into the entry of another, and no digest would show it.
        """
        import tomli_w

        return _hash_of(tomli_w.dumps({"images": [_render_image(self)]}))


def platform_of(key: str) -> Platform | None:
    """Return the platform that a key of ``platforms`` names, or None for ``any``."""
    return None if key == ANY_PLATFORM else Platform.parse(key)


class Lock(Struct, frozen=True):
    """Every image pinned, sorted by name, each once. ``entry_hashes`` are those of the text that it was read from."""

    images: tuple[LockedImage, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)
    entry_hashes: Mapping[str, str] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Compare what is locked. The entry hashes only say how the text was written that it was read from."""
        return isinstance(other, Lock) and (self.images, self.extra) == (other.images, other.extra)

    __hash__ = None  # type: ignore[assignment]  # ``extra`` may hold tables

    @classmethod
    def parse(cls, raw: bytes, file: str) -> Lock:
        """Read a ``d8.lock``; every fault is a DocumentError with *file*, key path and line."""
        text = decode_utf8(raw, file)
        table = _table(text, file)
        version = table.required("lock_version", int, f"the number {LOCK_VERSION}")
        if version != LOCK_VERSION:
            known = f"is {version}; this tool knows {LOCK_VERSION}"
            if version > LOCK_VERSION:
                table.fail(known, "lock_version", hint="upgrade d8-installer", code="newer-document")
            table.fail(known, "lock_version", hint=REPAIR)
        images: dict[ImageName, LockedImage] = {}
        for entry in table.tables("images"):
            image = _locked_image(entry)
            if image.name in images:
                entry.fail(f"{str(image.name)!r} is locked twice in this file", "name", hint=_JOIN)
            images[image.name] = image
        return cls(tuple(images[name] for name in sorted(images)), table.unknown(), entry_hashes(text))

    @classmethod
    def of(cls, images: Iterable[LockedImage], extra: Mapping[str, object] | None = None) -> Lock:
        """Return the lock of *images*, put in order."""
        return cls(tuple(sorted(images, key=lambda image: image.name)), extra or {})

    def find(self, name: ImageName) -> LockedImage | None:
        """Return the entry for *name*, or None."""
        at = bisect_left(self.images, name, key=lambda image: image.name)
        return self.images[at] if at < len(self.images) and self.images[at].name == name else None

    def needed_by(self, names: Iterable[ImageName]) -> frozenset[ImageName]:
        """Return the images that those called *names* need, and what these need, as far as they are locked."""
        found: set[ImageName] = set()
        waiting = [other for name in names if (image := self.find(name)) for other, _ in image.needs]
        while waiting:
            image = self.find(ImageName(waiting.pop()))
            if image is not None and image.name not in found:
                found.add(image.name)
                waiting += (other for other, _ in image.needs)
        return frozenset(found)

    def is_altered(self, image: LockedImage) -> bool:
        """Whether the entry differs from its hash: it was edited by hand, or git merged it line by line."""
        known = self.entry_hashes.get(str(image.name))
        return known is not None and known != image.entry_hash

    def render(self) -> str:
        """Return the file's text: entries by name, keys in a fixed order, unknown keys at the end of their table."""
        return "\n".join([self.head(), *(image.render() for image in self.images), END])

    def head(self) -> str:
        """Return the text before the first entry."""
        import tomli_w

        return tomli_w.dumps({"lock_version": LOCK_VERSION, **self.extra})


@cache
def _hashed_entry() -> re.Pattern[str]:
    return re.compile(r'^name = "([^"\n]*)"\nimage = .*\nversion = .*  # entry ([0-9a-f]{12})$', re.MULTILINE)


def entry_hashes(text: str) -> dict[str, str]:
    """Return the hash of each entry in a lock's *text*, by name, without the entries that have none."""
    return dict(_hashed_entry().findall(text))


def split_entries(text: str) -> tuple[str, list[str]]:
    """Return what stands before the first entry of a lock's *text*, and the text of each entry."""
    head, *entries = re.split(r"(?m)^(?=\[\[images\]\]$)", text)
    return head, entries


def name_in(entry: str) -> str | None:
    """Return the name that an entry's text says, or None if it is not on a line as this tool writes it."""
    found = re.search(r'(?m)^name = "([^"\n]*)"$', entry)
    return None if found is None else found[1]


def changed_entries(text: str) -> Iterator[str]:
    """Yield the names of the entries in a lock's *text* whose letters differ from those that their hashes are of.

    It is only for a file that nothing else writes: a person may lay out a lock in another way. No TOML is read.
    """
    for entry in split_entries(text)[1]:
        for name, known in _hashed_entry().findall(entry):
            if _hash_of(f"{entry.removesuffix(END).replace(_COMMENT + known, '', 1).strip()}\n") != known:
                yield name


class Doubles(Struct, frozen=True):
    """The text of a lock with only the first, or only the last entry of each image that it has more than once.

    Git leaves an image twice, without a conflict, if both sides added it and one of them removed its neighbour.
    """

    names: frozenset[str]
    first: str
    last: str

    @classmethod
    def of(cls, text: str) -> Doubles:
        """Take a lock's *text* apart, as far as its lines are laid out as this tool writes them."""
        head, entries = split_entries(text)
        names = [name_in(entry) or str(place) for place, entry in enumerate(entries)]
        last = {name: place for place, name in enumerate(names)}
        first = {name: place for place, name in reversed(tuple(enumerate(names)))}
        texts = (head + "".join(entries[place] for place in sorted(places.values())) for places in (first, last))
        return cls(frozenset(name for name in names if first[name] != last[name]), *texts)


def _hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _table(text: str, file: str) -> Table:
    try:
        return parse_toml(text, file, limit=_MAX_LOCK_TOML)
    except DocumentError as error:
        from d8_installer.model.conflict_markers import take_apart

        if take_apart(text, file) is not None:  # this raises a clearer error for a marker without its end
            raise error.within(hint=_JOIN) from error
        raise


def _locked_image(table: Table) -> LockedImage:
    name = table.need("name", ImageName.parse)
    path = table.text("image")
    if path != name.path:
        table.fail(f"is {path!r}; the image of {str(name)!r} is {name.path!r}", "image", hint=REPAIR)
    version = table.text("version")
    if not is_tag(version):
        table.fail(f"{version[:100]!r} is not a tag", "version")
    index = table.parsed("index", _digest)
    optional = table.optional("optional", bool, "true or false") or False
    demanded = tuple(sorted(set(table.list_of("demanded", Platform.parse) or ())))
    contract = table.parsed("contract", _digest)
    binaries = _pairs(table, "binaries", parse_binary_name, parse_member)
    requests = _pairs(table, "requests", parse_requester, _digest)
    platforms = _platforms(table, single=index is None)
    needs, needs_if_present = (_pairs(table, key, _need, _constraint, may_lack=True) for key in _NEEDS)
    return LockedImage(
        name=name,
        version=version,
        index=index,
        binaries=binaries,
        requests=requests,
        platforms=platforms,
        optional=optional,
        extra=table.unknown(),
        demanded=demanded,
        contract=contract,
        needs=needs,
        needs_if_present=needs_if_present,
    )


def _need(text: str) -> str:
    return ImageName.parse(text).short


def _constraint(value: object) -> str:
    """Return the constraint of a need; a wrong one means a damaged file, because it was parsed when it was locked."""
    try:
        if isinstance(value, str):
            return value and Specifier.parse(value, compat="go").text
    except DocumentError as error:
        raise DocumentError(error.problem, hint=REPAIR) from error
    raise DocumentError("must be text in quotes", hint=REPAIR)


def _digest(value: object) -> Digest:
    """Return the digest; a wrong one means a damaged file, because no person writes the digests of a lock."""
    try:
        return Digest.parse(value)
    except DocumentError as error:
        raise DocumentError(error.problem, hint=REPAIR) from error


def _pairs(
    table: Table, key: str, of_name: Callable[[str], K], of_value: Callable[[object], V], *, may_lack: bool = False
) -> tuple[tuple[K, V], ...]:
    entries = table.table(key)
    if may_lack and entries is None:
        return ()
    if entries is None or not entries.data:
        table.fail(f"has no [images.{key}]", hint=REPAIR)
    pairs = []
    for name, value in entries.items():
        try:
            pairs.append((of_name(name), of_value(value)))
        except DocumentError as error:
            raise entries.error(error, name) from error
    return tuple(sorted(pairs, key=lambda pair: str(pair[0])))


def _platforms(table: Table, *, single: bool) -> tuple[tuple[str, Pin], ...]:
    entries = table.table("platforms")
    if entries is None or not entries.data:
        table.fail("has no [images.platforms.…]", hint=REPAIR)
    pins = {key: _pin(entries, key) for key, _ in entries.items()}
    if single != (ANY_PLATFORM in pins) or (single and len(pins) > 1):
        problem = "must name platforms beside an `index`, and `any` alone where there is none"
        table.fail(problem, "platforms", hint=REPAIR)
    return tuple(sorted(pins.items()))


def _pin(entries: Table, key: str) -> Pin:
    table = entries.inner(entries.required(key, dict, "a table"), key)
    if key != ANY_PLATFORM:
        try:
            Platform.parse(key)
        except DocumentError as error:
            raise entries.error(error, key) from error
    child, layer = table.need("child", _digest), table.need("layer", _digest)
    size = table.required("size", int, "a number of bytes")
    if not 0 < size <= MAX_LAYER_BYTES:
        table.fail("must be a positive number of bytes", "size")
    return Pin(child=child, layer=layer, size=size, extra=table.unknown())


def _render_image(image: LockedImage) -> dict[str, object]:
    scalars: dict[str, object] = {"name": str(image.name), "image": image.name.path, "version": image.version}
    if image.index is not None:
        scalars["index"] = str(image.index)
    if image.optional:
        scalars["optional"] = True
    if image.demanded:
        scalars["demanded"] = [str(platform) for platform in image.demanded]
    if image.contract is not None:
        scalars["contract"] = str(image.contract)
    needs = {"needs": dict(image.needs), "needs_if_present": dict(image.needs_if_present)}
    return {
        **scalars,
        **{key: value for key, value in image.extra.items() if not isinstance(value, dict)},
        "binaries": dict(image.binaries),
        "requests": {requester: str(digest) for requester, digest in image.requests},
        "platforms": {key: _render_pin(pin) for key, pin in image.platforms},
        **{key: value for key, value in needs.items() if value},  # at the end, where an older tool writes them, too
        **{key: value for key, value in image.extra.items() if isinstance(value, dict)},
    }


def _render_pin(pin: Pin) -> dict[str, object]:
    return {"child": str(pin.child), "layer": str(pin.layer), "size": pin.size, **pin.extra}
