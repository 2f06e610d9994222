"""Request (one entry of a manifest) and Requirement (a request with its requester)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.digest import Digest
from d8_installer.model.platform import Platform, wanted_platform
from d8_installer.model.reference import ImageName, is_tag, parse_binary_name, parse_member
from d8_installer.model.value import Struct
from d8_installer.model.version import Specifier, Version

if TYPE_CHECKING:
    from d8_installer.model.document import Table

OWN_MANIFEST = "d8.toml"
"""The requester's name of the user's or the project's own manifest. No plugin can have a name that ends in .toml."""
OTHER_MANIFEST = "other.d8.toml"
"""The requester's name in a lock for a ``d8.toml`` that is not here: it is on another machine, or was removed.

The name is not OWN_MANIFEST's, so that a ``d8.toml`` that is written here later does not drop these requests.
"""

IMAGE_REQUESTER = "image:"
"""How the requester's name begins that stands for an image which needs another one (rpp.md §8).

No distribution has a colon in its name, so neither a plugin nor a hook can take such a name.
"""

ANY_VERSION = "*"
ANY_VERSION_AT_ALL = ">=0-0"
"""The range of a need without a constraint: any version satisfies it, a pre-release too (rpp.md §8)."""
_ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_REQUESTER_LENGTH = 128


def parse_requester(text: str) -> str:
    """Return *text* if it can be a requester: a name that PyPA's grammar allows a distribution, as OWN_MANIFEST is.

    ``image:NAME`` is one, too. Anything else is a DocumentError.
    """
    if text.startswith(IMAGE_REQUESTER):
        ImageName.parse(text.removeprefix(IMAGE_REQUESTER))
        return text
    is_short = 0 < len(text) <= _REQUESTER_LENGTH
    if not is_short or text.strip(f"{_ALPHANUMERIC}._-") or text[0] in "._-" or text[-1] in "._-":
        raise DocumentError(
            f"{text[:100]!r} is not a requester: neither {OWN_MANIFEST} nor the name of a distribution",
            hint="restore the file from git, or remove it and type `d8-installer lock`",
            code="bad-name",
        )
    return text


def requester_of(name: ImageName) -> str:
    """Return the requester's name of an image that needs another one."""
    return f"{IMAGE_REQUESTER}{name}"


def needing_image(requester: str) -> ImageName | None:
    """Return the image that *requester* stands for, or None if it is a manifest or a plugin."""
    short = requester.removeprefix(IMAGE_REQUESTER)
    return ImageName(short) if short != requester else None


def default_binaries(name: ImageName) -> tuple[tuple[str, str], ...]:
    """Return the binaries of a request for *name* that lists none.

    An image whose name no binary may have, such as ``nul``, is a DocumentError: it needs another name in a ``d8.toml``.
    """
    binary, member = name.default_binary
    try:
        return ((parse_binary_name(binary), member),)
    except DocumentError as error:
        raise DocumentError(
            f"the binary of image {str(name)!r} needs another name, because {error.problem}",
            hint=f"name it in {OWN_MANIFEST}, under the image: binaries = {{ other-name = {json.dumps(member)} }}",
            code="bad-name",
        ) from error


class Request(Struct, frozen=True):
    """One wanted image. ``binaries`` are sorted (name, file) pairs; ``platforms`` is None for all of the index."""

    name: ImageName
    version: Specifier
    binaries: tuple[tuple[str, str], ...]
    platforms: tuple[Platform, ...] | None = None
    optional: bool = False
    digest: Digest | None = None

    @classmethod
    def of(cls, name: ImageName, version: str = "") -> Request:
        """Return the request that a command line's ``NAME[SPEC]`` means."""
        return cls(name, Specifier.parse(version or ANY_VERSION), default_binaries(name))

    @classmethod
    def of_need(
        cls, name: ImageName, constraint: str, platforms: tuple[Platform, ...] | None, *, optional: bool
    ) -> Request:
        """Return the request of an image that needs *name* in the *constraint* of its contract, ``""`` for none."""
        version = Specifier.parse(constraint or ANY_VERSION_AT_ALL, compat="go")
        return cls(name, version, default_binaries(name), platforms, optional)

    @classmethod
    def from_table(cls, table: Table) -> Request:
        """Read one ``[[images]]`` of a manifest; unknown keys and broken values are DocumentErrors."""
        name = table.need("name", ImageName.parse)
        request = cls(
            name,
            table.parsed("version", _specifier) or Specifier.parse(ANY_VERSION),
            _binaries(table.table("binaries")) or _default_binaries(table, name),
            table.list_of("platforms", wanted_platform),
            table.optional("optional", bool, "true or false") or False,
            table.parsed("digest", Digest.parse),
        )
        table.close()
        if request.platforms == ():
            hint = "leave it out to take every platform"
            table.fail("is empty, so nothing would be installed", "platforms", hint=hint)
        if request.digest is not None and request.version.exact_tag is None:
            table.fail("needs an exact version beside it", "digest", hint='write version = "===TAG"')
        return request

    @property
    def may_be_on_windows(self) -> bool:
        """Whether it is asked for on a platform of Windows."""
        return self.platforms is None or any(platform.os == "windows" for platform in self.platforms)

    @property
    def hash(self) -> Digest:
        """The sha256 of the request as JSON: sorted keys, no spaces, defaults filled in (docs/architecture.md)."""
        document = {
            "binaries": dict(self.binaries),
            "digest": None if self.digest is None else str(self.digest),
            "name": str(self.name),
            "optional": self.optional,
            "platforms": None if self.platforms is None else sorted(map(str, self.platforms)),
            "version": self.version.text,
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return Digest(hashlib.sha256(text.encode()).hexdigest())


class Requirement(Struct, frozen=True):
    """A request and its requester: ``d8.toml``, the name of a plugin's distribution, or ``image:NAME``."""

    requester: str
    request: Request

    def allows(self, tag: str) -> bool:
        """Whether *tag* is the exact tag that is asked for, or a version in the range."""
        specifier = self.request.version
        if specifier.text == ANY_VERSION_AT_ALL and needing_image(self.requester) is not None:
            return True  # also a tag that is no version
        if specifier.exact_tag is not None:
            return specifier.exact_tag == tag
        version = Version.try_parse(tag) if is_tag(tag) else None
        return version is not None and specifier.allows(version)

    @property
    def range(self) -> str:
        """The range as people know it: ``*`` for a need of any version."""
        text = self.request.version.text
        return ANY_VERSION if text == ANY_VERSION_AT_ALL else text

    def __str__(self) -> str:
        return f"{self.requester} wants {self.request.name} {self.range}"


def _specifier(value: object) -> Specifier:
    if not isinstance(value, str):
        raise DocumentError("must be text in quotes")
    return Specifier.parse(value)


def _default_binaries(table: Table, name: ImageName) -> tuple[tuple[str, str], ...]:
    try:
        return default_binaries(name)
    except DocumentError as error:
        raise table.error(error, "name") from error


def _binaries(table: Table | None) -> tuple[tuple[str, str], ...] | None:
    if table is None:
        return None
    pairs = []
    for name, member in table.items():
        try:
            pairs.append((parse_binary_name(name), parse_member(member)))
        except DocumentError as error:
            raise table.error(error, name) from error
    if not pairs:
        table.fail("is empty, so nothing would be placed", hint="leave it out to place the image's default binary")
    return tuple(sorted(pairs))
