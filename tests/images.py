"""Small images in a directory of OCI layouts, for tests: real bytes, runnable where they can be."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
from typing import TYPE_CHECKING

from d8_installer.model import oci
from d8_installer.model.digest import Digest
from d8_installer.model.platform import HostFacts, Platform
from d8_installer.model.reference import ImageName
from d8_installer.model.source import ManifestBytes
from d8_installer.registry.oci_layout import LayoutDestination

if TYPE_CHECKING:
    from collections.abc import Mapping

PLATFORMS = ("linux-amd64", "linux-arm64", "darwin-arm64", "windows-amd64")
_PE_MACHINES = {"amd64": 0x8664, "arm64": 0xAA64, "386": 0x014C}

Build = bytes | dict[str, bytes]
"""One platform's files: an executable by itself (it gets the default member's name), or members by name."""


def script(text: str) -> bytes:
    """Return a shell script that prints *text* and its arguments; it runs on linux and darwin."""
    return f'#!/bin/sh\necho "{text}" "$@"\n'.encode()


def windows_program(text: str, architecture: str = "amd64") -> bytes:
    """Return what begins like a Windows program (its header is all that is ever looked at), and holds *text*."""
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", _PE_MACHINES[architecture], 1, 0, 0, 0, 0xF0, 0x0022)
    return b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + coff + text.encode()


def executable(platform: str, text: str) -> bytes:
    """Return an executable for *platform* that says *text* and the platform."""
    system, _, architecture = platform.partition("-")
    said = f"{text} {platform}"
    return windows_program(said, architecture) if system == "windows" else script(said)


def executables(text: str, *platforms: str) -> dict[str, Build]:
    """Return a build for each of *platforms* (default: PLATFORMS and this host's)."""
    return {platform: executable(platform, text) for platform in platforms or (*PLATFORMS, host_platform())}


def host_platform() -> str:
    """Return the platform that the tests run on."""
    import platform as host
    import sys

    return str(Platform.of_host(HostFacts(sys.platform, host.machine(), 64, host.version())))


def layer_of(members: Mapping[str, bytes]) -> bytes:
    """Return the members as a gzipped tar; the same members give the same bytes."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(archive.getvalue(), compresslevel=1, mtime=0)


def add_image(
    root: str,
    name: str,
    tag: str,
    builds: Mapping[str, Build],
    annotations: Mapping[str, str] | None = None,
    child_annotations: Mapping[str, str] | None = None,
) -> Digest:
    """Add ``<name>:<tag>`` with one child for each platform to the layouts at *root*; return the index's digest.

    *annotations* are the index's, *child_annotations* those of each build. ``builds`` with the one key ``any`` makes
    the tag a single ImageManifest, and its digest is returned.
    """
    image = ImageName.parse(name)
    destination = LayoutDestination(root)
    notes = child_annotations or {}
    children = {platform: _put_build(destination, image, platform, build, notes) for platform, build in builds.items()}
    top = children["any"] if "any" in children else _index(children, annotations or {})
    destination.put_manifest(image.path, tag, top)
    return top.digest


def _put_build(
    destination: LayoutDestination, image: ImageName, platform: str, build: Build, annotations: Mapping[str, str]
) -> ManifestBytes:
    default = "d8" if image.short == "deckhouse-cli" else "plugin"
    layer = layer_of({default: build} if isinstance(build, bytes) else build)
    config = _json({} if platform == "any" else _platform(platform))
    document = {
        "schemaVersion": 2,
        "mediaType": oci.OCI_MANIFEST,
        "config": {"mediaType": oci.OCI_CONFIG, **_put_blob(destination, image, config)},
        "layers": [{"mediaType": oci.OCI_LAYER_GZIP, **_put_blob(destination, image, layer)}],
        **({"annotations": dict(annotations)} if annotations else {}),
    }
    manifest = ManifestBytes(_json(document), oci.OCI_MANIFEST)
    destination.put_manifest(image.path, str(manifest.digest), manifest)
    return manifest


def _put_blob(destination: LayoutDestination, image: ImageName, data: bytes) -> dict[str, object]:
    digest = Digest.of(data)
    destination.put_blob(image.path, digest, len(data), lambda: io.BytesIO(data))
    return {"digest": str(digest), "size": len(data)}


def _index(children: Mapping[str, ManifestBytes], annotations: Mapping[str, str]) -> ManifestBytes:
    entries = [
        {
            "mediaType": child.media_type,
            "digest": str(child.digest),
            "size": len(child.raw),
            "platform": _platform(platform),
        }
        for platform, child in children.items()
    ]
    document = {"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": entries}
    return ManifestBytes(_json(document | ({"annotations": dict(annotations)} if annotations else {})), oci.OCI_INDEX)


def _platform(text: str) -> dict[str, str]:
    system, _, architecture = text.partition("-")
    return {"os": system, "architecture": architecture}


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
