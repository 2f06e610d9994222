"""One bit turned anywhere in what is pinned: index, child, layer, lock, stored file. It is refused, and `bin` stays.

Not ``--thorough``: some twelve flips of each kind. Thorough: more than a thousand in all. The places are drawn with a
fixed seed, and of the lock every digest gets its share: each digit's mismatch is caught before anything is placed.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.lock import Lock
from tests.faults import driver
from tests.faults.scenarios import CONFIG, DATA
from tests.forms import THOROUGH
from tests.images import add_image, executables, host_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.driver import Ran

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked")

KINDS = ("index", "child", "layer", "lock", "store")
FLIPS = 220 if THOROUGH else 12
FOREIGN = "windows-amd64" if not host_platform().startswith("windows") else "linux-amd64"
REFUSALS = {65, 69, 76}
_DIGEST = re.compile(rb"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Ready:
    """A home with v1.0.0 in place and a lock that wants v1.1.0, and the layout that has both."""

    home: Path
    images: Path

    @property
    def lock(self) -> Path:
        return self.home / DATA / "profiles/user/d8.lock"

    def run(self, *words: str) -> Ran:
        return driver.run(*words, home=str(self.home))

    def blob(self, kind: str, platform: str) -> Path:
        """Return the file of the index, child or layer of v1.1.0."""
        (image,) = Lock.parse(self.lock.read_bytes(), "d8.lock").images
        pin = dict(image.platforms)[platform]
        digest = {"index": image.top, "child": pin.child, "layer": pin.layer}[kind]
        return self.images / image.name.path / "blobs/sha256" / digest.hex

    def said(self) -> str:
        path = self.home / DATA / "bin/tool"
        return subprocess.run([path], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout

    def placed(self) -> dict[str, str]:
        """Return what is placed: every link and every file below the profile and the store, and what `out` has."""
        found = {}
        for top in (self.home / DATA, self.home / "out"):
            for path in top.rglob("*"):
                if path.is_symlink():
                    found[str(path)] = str(path.readlink())
                elif path.is_file() and path.suffix != ".mutex" and path.name not in {"mutex", "switching", "d8.lock"}:
                    found[str(path)] = f"{path.stat().st_size} {path.stat().st_mtime_ns}"
        return found


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    root = tmp_path_factory.mktemp("flips")
    home, images = root / "home", root / "images"
    home.mkdir()
    for tag in ("v1.0.0", "v1.1.0"):
        add_image(str(images), "tool", tag, executables(tag, *{host_platform(), FOREIGN, "darwin-arm64"}))
    made = Ready(home, images)
    for words in (("config", "set", "endpoint", f"oci-layout:{images}"), ("install", "tool==1.0.0")):
        assert (done := made.run(*words)).code == 0, done
    manifest = home / CONFIG / "d8.toml"
    manifest.write_text(manifest.read_text().replace("==1.0.0", ">=1"))
    assert (done := made.run("lock", "--upgrade")).code == 0, done
    yield made


def places(ready: Ready, kind: str, chance: random.Random) -> Iterator[tuple[Path, int, tuple[str, ...]]]:
    """Yield files and bytes to flip a bit in, each with the command that has to refuse it."""
    for turn in range(FLIPS):
        if kind == "lock":
            digests = list(_DIGEST.finditer(ready.lock.read_bytes()))
            found = digests[turn % len(digests)]  # every digest in turn, and any digit of it
            yield ready.lock, found.start(1) + chance.randrange(64), _reader_of(ready, found.start())
        elif kind == "store":
            (stored,) = (ready.home / DATA / "store/sha256").glob("*/tool")
            yield stored, chance.randrange(stored.stat().st_size), ("verify",)
        else:
            platform = (host_platform(), FOREIGN)[turn % 2]
            blob = ready.blob(kind, platform)
            yield blob, chance.randrange(blob.stat().st_size), _placing(platform)


def _reader_of(ready: Ready, at: int) -> tuple[str, ...]:
    """Return the command that would place what the digest at that byte of the lock pins."""
    headers = re.findall(rb"\[images\.platforms\.([a-z0-9-]+)\]", ready.lock.read_bytes()[:at])
    return _placing(headers[-1].decode() if headers else host_platform())


def _placing(platform: str) -> tuple[str, ...]:
    more = () if platform == host_platform() else ("--platform", platform, "--to", "out")
    return ("sync", "--locked", *more)


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_gets_through(ready: Ready, kind: str, record_property: Callable[[str, object], None]) -> None:
    chance = random.Random(f"flips of {kind}")  # noqa: S311 - the same places every time
    passed, wrong = 0, []
    before, said = ready.placed(), ready.said()
    for file, at, words in places(ready, kind, chance):
        sound = file.read_bytes()
        bit = chance.randrange(8)
        mode = file.stat().st_mode
        file.chmod(0o644)
        file.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << bit]) + sound[at + 1 :])
        answers = [ready.run(*words), *([ready.run("lock", "--check")] if kind == "lock" else [])]
        for done in answers:
            if done.code not in REFUSALS:
                wrong.append(f"{file.name} byte {at} bit {bit}: {done}")
            assert "Traceback" not in done.err
        passed += 1
        file.write_bytes(sound)
        file.chmod(mode)
        if kind != "store":
            assert ready.placed() == before
        assert ready.said() == said
    print(f"{kind}: {passed - len(wrong)} of {passed} flips refused or detected")  # noqa: T201 - the figure
    record_property("flips", passed)
    assert not wrong, "\n\n".join(wrong)


def test_the_sound_files_are_taken(ready: Ready, tmp_path: Path) -> None:
    """What was refused above was refused for its bit alone."""
    others = [
        ("sync", "--locked", "--platform", platform, "--to", str(tmp_path / platform))
        for platform in (FOREIGN, "darwin-arm64")
    ]
    for words in (("lock", "--check"), ("sync", "--locked", "--dry-run"), *others):
        assert (done := ready.run(*words)).code == 0, done
