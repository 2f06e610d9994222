"""``export``: writes a profile's lock in the formats of other tools. Reads only the lock, and asks no source."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.model.value import Struct
from d8_installer.pipeline.relock import refuse_missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

    from d8_installer.model.lock import Lock, LockedImage, Pin
    from d8_installer.pipeline.session import Session

_PROPERTY = "d8-installer"


class Exported(Struct, frozen=True):
    """A lock in another format. ``document`` is a JSON object, or a list of lines for ``requirements``."""

    format: str
    document: dict[str, object] | list[str]

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"format": self.format, "document": self.document}


def export(session: Session, format: str, epoch: int | None) -> Exported:  # noqa: A002 - the option's name
    """Return the profile's lock as *format*: ``cyclonedx``, ``json`` or ``requirements``. Same lock, same bytes.

    *epoch* (SOURCE_DATE_EPOCH, in seconds) is the only time in it. If there is no lock, raise StaleLockError; if the
    library for CycloneDX is not installed, raise ConfigError.
    """
    workspace = session.profiles.read(session.profiles.find(), frozen=True)
    refuse_missing(workspace)
    if format == "cyclonedx":
        return Exported(format, _cyclonedx(workspace.locked, epoch))
    if format == "json":
        return Exported(format, _as_json(workspace.locked))
    return Exported(format, [f"{image.name}==={image.version}" for image in workspace.locked.images])


def _as_json(lock: Lock) -> dict[str, object]:
    """Return the keys and values of ``d8.lock``."""
    import tomllib

    return tomllib.loads(lock.render())


def _cyclonedx(lock: Lock, epoch: int | None) -> dict[str, object]:
    try:
        from cyclonedx.output.json import JsonV1Dot6
    except ModuleNotFoundError as error:
        from d8_installer.plugin.self_installation import hint_for_extra

        raise ConfigError(
            "CycloneDX needs the extra [sbom], which is not installed",
            hint=hint_for_extra("sbom"),
            code="missing-extra",
        ) from error
    document: dict[str, object] = json.loads(JsonV1Dot6(_bom(lock, epoch)).output_as_string())
    metadata = document["metadata"]
    if epoch is None and isinstance(metadata, dict):
        del metadata["timestamp"]  # the library always writes the current time
    return document


def _bom(lock: Lock, epoch: int | None) -> Bom:
    from datetime import UTC, datetime
    from uuid import NAMESPACE_URL, uuid5

    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository

    from d8_installer import __version__

    content = hashlib.sha256(lock.render().encode()).hexdigest()
    tool = Component(name="d8-installer", type=ComponentType.APPLICATION, version=__version__)
    time = datetime.fromtimestamp(epoch or 0, UTC)
    return Bom(
        serial_number=uuid5(NAMESPACE_URL, f"d8.lock sha256:{content}"),
        metadata=BomMetaData(tools=ToolRepository(components=[tool]), timestamp=time),
        components=[_image(image) for image in lock.images],
    )


def _image(image: LockedImage) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = PackageURL("oci", None, image.name.short, str(image.top), {"tag": image.version})
    return Component(
        name=image.name.short,
        type=ComponentType.CONTAINER,
        version=image.version,
        bom_ref=purl.to_string(),
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=image.top.hex)],
        properties=_properties(_image_facts(image)),
        components=[_build(image, key, pin) for key, pin in image.platforms if image.index is not None],
    )


def _build(image: LockedImage, key: str, pin: Pin) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    system, _, architecture = key.partition("-")
    purl = PackageURL("oci", None, image.name.short, str(pin.child), {"arch": architecture, "os": system})
    return Component(
        name=image.name.short,
        type=ComponentType.CONTAINER,
        version=image.version,
        bom_ref=purl.to_string(),
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=pin.child.hex)],
        properties=_properties([("platform", key), ("layer", str(pin.layer)), ("layer-bytes", str(pin.size))]),
    )


def _image_facts(image: LockedImage) -> Iterator[tuple[str, str]]:
    yield "image", image.name.path
    for binary, member in image.binaries:
        yield "binary", f"{binary}={member}"
    for requester, _ in image.requests:
        yield "requester", requester
    if image.index is None:
        pin = image.platforms[0][1]
        yield from (("layer", str(pin.layer)), ("layer-bytes", str(pin.size)))


def _properties(facts: Iterable[tuple[str, str]]) -> list[Property]:
    from cyclonedx.model import Property

    return [Property(name=f"{_PROPERTY}:{name}", value=value) for name, value in facts]
