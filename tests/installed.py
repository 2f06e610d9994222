"""Python environments and plugins in them, laid out on disk as pip leaves them: no installer has to run."""

from __future__ import annotations

import base64
import hashlib
import site
import sys
import venv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.model.manifest import Manifest
from d8_installer.plugin.launcher import launcher

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
HOSTILE_CODE = 'raise SystemExit("imported")\n'


def library(prefix: Path) -> Path:
    """Return the site-packages of an environment, made if it is not there, with a ``pyvenv.cfg`` beside it."""
    place = prefix / "lib" / VERSION / "site-packages"
    place.mkdir(parents=True, exist_ok=True)
    (prefix / "pyvenv.cfg").touch()
    return place


def running_environment(prefix: Path) -> Path:
    """Make a virtual environment whose Python has what this one has, and return its site-packages."""
    venv.create(prefix, symlinks=True, with_pip=False)
    place = library(prefix)
    # Not the paths alone: the .pth files in them (an editable d8-installer, coverage's start) count too.
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (place / "of_the_tests.pth").write_text("\n".join(lines) + "\n")
    return place


def manifest(name: str = "hello", version: str = "", **binaries: str) -> str:
    """Return a manifest that asks for one image."""
    lines = ["schema = 1", "[[images]]", f'name = "{name}"']
    lines += [f'version = "{version}"'] if version else []
    pairs = ", ".join(f'{binary} = "{member}"' for binary, member in binaries.items())
    lines += [f"binaries = {{ {pairs} }}"] if binaries else []
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Plugin:
    """What was put into a site-packages."""

    library: Path
    name: str
    version: str

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    @property
    def dist_info(self) -> Path:
        return self.library / f"{self.module}-{self.version}.dist-info"

    @property
    def file(self) -> Path:
        return self.library / self.module / "d8.toml"

    def uninstall(self) -> None:
        """Remove what RECORD lists, as every manager does."""
        for line in (self.dist_info / "RECORD").read_text().splitlines():
            (self.library / line.split(",")[0]).unlink(missing_ok=True)
        for directory in (self.dist_info, self.library / self.module):
            directory.rmdir()


def install(place: Path, name: str, version: str, text: str, entry_points: str | None = None) -> Plugin:
    """Put a plugin with the manifest *text* into the site-packages *place*; its code ends whoever imports it."""
    plugin = Plugin(place, name, version)
    module, info = plugin.module, plugin.dist_info.name
    if entry_points is None:
        entry_points = f"[d8_installer.manifests]\nplug = {module}:d8.toml\n"
    files = {
        f"{module}/__init__.py": HOSTILE_CODE,
        f"{module}/d8.toml": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/entry_points.txt": entry_points,
    }
    write_recorded(place, info, {path: content.encode() for path, content in files.items()})
    return plugin


def add_launchers(prefix: Path, text: str) -> None:
    """Put the launchers of a manifest into an environment's ``bin``."""
    for request in Manifest.parse(text.encode(), "d8.toml").requests:
        for binary, _ in request.binaries:
            script = prefix / "bin" / binary
            script.write_text(launcher(binary, request.hash))
            script.chmod(0o755)


def write_recorded(place: Path, info: str, files: Mapping[str, bytes]) -> None:
    """Write *files* below *place* and the RECORD of the distribution *info* (binary distribution format)."""
    lines = []
    for path, content in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}")
    (place / info / "RECORD").write_text("\n".join([*lines, f"{info}/RECORD,,", ""]))
