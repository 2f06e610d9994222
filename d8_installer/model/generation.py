"""Generation: one activated set of binaries, and ``generation.json``, its record.

The record ends with a checksum of its own text, so that a bit that changed in a version or a digest is noticed. Older
records have none; ``pipeline.consistency`` compares such a record with the lock in it.
"""

from __future__ import annotations

import json

from d8_installer.errors import ConfigError, DocumentError
from d8_installer.model.checksum import ends_with_checksum, has_checksum, with_checksum
from d8_installer.model.digest import Digest
from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName, parse_binary_name, parse_member
from d8_installer.model.value import Struct
from d8_installer.model.wrapper import Wrapper

SCHEMA = 1


class Placement(Struct, frozen=True, kw_only=True):
    """One binary that is to be in place.

    ``binary`` is its name without ``.exe``, ``member`` the file in the layer, and ``requests`` the hashes of the
    requests that it serves. ``in_bin`` is False if only launchers reach it, because another command has its name.
    ``contract`` is the digest of the image's contract, None without one. ``gated``: every run of the binary is checked,
    because the settings ask for that.
    """

    binary: str
    name: ImageName
    version: str
    layer: Digest
    member: str
    requests: tuple[Digest, ...]
    in_bin: bool = True
    contract: Digest | None = None
    gated: bool = False

    @property
    def sort_key(self) -> tuple[str, ImageName, str]:
        """By what placements are sorted: of one binary and image there is one in a generation."""
        return self.binary, self.name, self.version

    @property
    def is_default(self) -> bool:
        """Whether it is the file of the image that the Go tool takes (rpp.md §4.6)."""
        return self.member.rpartition("/")[2] == self.name.default_binary[1]


class Placed(Struct, frozen=True):
    """A placement that is done, with the digest and the size in bytes of the executable.

    ``wrapper`` is what stands before the executable, None for a link to it.
    """

    placement: Placement
    digest: Digest
    size: int
    wrapper: Wrapper | None = None

    @property
    def sort_key(self) -> tuple[str, ImageName, str]:
        """By what binaries in place are sorted."""
        return self.placement.sort_key


class Generation(Struct, frozen=True, kw_only=True):
    """One generation of a profile. ``time`` is UTC in ISO 8601; ``lock`` is the text of its lock."""

    number: int
    platform: Platform
    time: str
    reason: str
    placed: tuple[Placed, ...]
    lock: str

    @property
    def placements(self) -> frozenset[Placement]:
        """The placements, to be compared with what should be in place."""
        return frozenset(placed.placement for placed in self.placed)

    def find(self, binary: str) -> Placed | None:
        """Return the binary that has this name in ``bin``, or None."""
        return next((p for p in self.placed if p.placement.binary == binary and p.placement.in_bin), None)

    def render(self) -> str:
        """Return the text of ``generation.json``."""
        document = {
            "schema": SCHEMA,
            "number": self.number,
            "platform": str(self.platform),
            "time": self.time,
            "reason": self.reason,
            "binaries": [_render(placed) for placed in self.placed],
            "lock": self.lock,
        }
        return with_checksum(json.dumps(document, indent=1, ensure_ascii=False))

    @classmethod
    def parse(cls, raw: bytes, file: str) -> Generation:
        """Read ``generation.json``; anything that this tool did not write is a DocumentError that names *file*."""
        try:
            document = json.loads(raw)
            if document["schema"] > SCHEMA:
                raise ConfigError(
                    f"{file} was written by a newer d8-installer", hint="upgrade d8-installer", code="newer-format"
                )
            if has_checksum(raw) and not ends_with_checksum(raw):
                raise DocumentError("is damaged", code="damaged-state")
            return cls(
                number=int(document["number"]),
                platform=Platform.parse(document["platform"]),
                time=str(document["time"]),
                reason=str(document["reason"]),
                placed=tuple(_placed(entry) for entry in document["binaries"]),
                lock=str(document["lock"]),
            )
        except (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError, DocumentError) as error:
            raise DocumentError(
                "is damaged",
                file=file,
                hint="run `d8-installer sync`, which makes a new generation",
                about_file=True,
                code="damaged-state",
            ) from error


def _render(placed: Placed) -> dict[str, object]:
    placement = placed.placement
    return {
        "binary": placement.binary,
        "image": str(placement.name),
        "version": placement.version,
        "layer": str(placement.layer),
        "file": placement.member,
        "requests": [str(request) for request in placement.requests],
        "in_bin": placement.in_bin,
        "digest": str(placed.digest),
        "size": placed.size,
        **({} if placement.contract is None else {"contract": str(placement.contract)}),
        **({"gated": True} if placement.gated else {}),
        **({} if placed.wrapper is None else {"wrapper": placed.wrapper.as_json()}),
    }


def _placed(entry: dict[str, object]) -> Placed:
    requests = entry["requests"]
    size = entry["size"]
    if not isinstance(requests, list) or not isinstance(size, int):
        raise DocumentError("is damaged", code="damaged-state")
    placement = Placement(
        binary=parse_binary_name(entry["binary"]),
        name=ImageName.parse(entry["image"]),
        version=str(entry["version"]),
        layer=Digest.parse(entry["layer"]),
        member=parse_member(entry["file"]),
        requests=tuple(Digest.parse(request) for request in requests),
        in_bin=bool(entry["in_bin"]),
        contract=Digest.parse(entry["contract"]) if "contract" in entry else None,
        gated=bool(entry.get("gated")),
    )
    wrapper = Wrapper.parse(entry["wrapper"]) if "wrapper" in entry else None
    return Placed(placement, Digest.parse(entry["digest"]), size, wrapper)
