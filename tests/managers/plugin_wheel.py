"""Wheels of thin plugins, written byte by byte: a package with a manifest, the entry point, a launcher each binary.

What the build hook makes of the example plugin is checked against real builds elsewhere; these are for the many small
plugins, in several versions, that the managers are given.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.model.manifest import Manifest
from d8_installer.plugin.launcher import launcher

if TYPE_CHECKING:
    from pathlib import Path

_TIME = (2020, 2, 2, 0, 0, 0)
_METADATA = "Metadata-Version: 2.3\nName: {name}\nVersion: {version}\nRequires-Python: >=3.11\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: d8-installer-tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_ENTRY_POINTS = "[d8_installer.manifests]\nplugin = {}\n"


@dataclass(frozen=True)
class PluginWheel:
    """What a plugin's wheel is made of; without ``launchers`` it is data only, for ``inject`` and ``--with``.

    ``entry_point`` says where the manifest is, if not in the plugin's own package. ``carries`` are more files, whose
    paths begin in the wheel's ``.data``.
    """

    name: str
    version: str
    manifest: str
    requires: tuple[str, ...] = ("d8-installer",)
    launchers: bool = True
    entry_point: str = ""
    carries: tuple[tuple[str, str], ...] = ()

    def write(self, directory: Path) -> Path:
        """Write the wheel into *directory*; the same values give the same bytes."""
        path = directory / f"{self._stem}-py3-none-any.whl"
        files = self._files()
        files[f"{self._stem}.dist-info/RECORD"] = (_record(files, f"{self._stem}.dist-info/RECORD"), 0o644)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, (data, mode) in files.items():
                entry = zipfile.ZipInfo(name, _TIME)
                entry.external_attr = (0o100000 | mode) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data)
        return path

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")

    @property
    def _stem(self) -> str:
        return f"{self.package}-{self.version}"

    def _files(self) -> dict[str, tuple[bytes, int]]:
        metadata = _METADATA.format(name=self.name, version=self.version)
        metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in self.requires)
        info = f"{self._stem}.dist-info"
        texts = {
            # whoever imports a plugin's package to find its manifest is found out
            f"{self.package}/__init__.py": 'raise SystemExit("a plugin that only declares was imported")\n',
            f"{self.package}/d8.toml": self.manifest,
            f"{info}/METADATA": metadata,
            f"{info}/WHEEL": _WHEEL,
            f"{info}/entry_points.txt": _ENTRY_POINTS.format(self.entry_point or f"{self.package}:d8.toml"),
        }
        files = {name: (text.encode(), 0o644) for name, text in texts.items()}
        files |= {f"{self._stem}.data/{path}": (text.encode(), 0o644) for path, text in self.carries}
        return {**files, **(self._launchers() if self.launchers else {})}

    def _launchers(self) -> dict[str, tuple[bytes, int]]:
        requests = Manifest.parse(self.manifest.encode(), "d8.toml").requests
        return {
            f"{self._stem}.data/scripts/{binary}": (launcher(binary, request.hash).encode(), 0o755)
            for request in requests
            for binary, _ in request.binaries
        }


def _record(files: dict[str, tuple[bytes, int]], itself: str) -> bytes:
    lines = []
    for name, (data, _) in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{itself},,\n"]).encode()
