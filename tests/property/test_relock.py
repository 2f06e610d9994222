"""Locking again, cold and warm, with every order turned that means nothing: the same bytes each time.

Not ``--thorough``: ten times. Thorough: a hundred times.
"""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING

from tests import images
from tests.command import run
from tests.forms import THOROUGH
from tests.installed import install, library, manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIMES = 100 if THOROUGH else 10
NAMES = ("alpha", "beta", "gamma", "delta")
PLUGINS = (("d8-plug-one", "alpha", ">=1.1"), ("d8-plug-two", "beta", "^1"), ("d8-plug-three", "alpha", "<3"))
_ENTRIES = (
    ('name = "alpha"', 'version = ">=1, <2"', 'binaries = { alpha = "plugin", second = "plugin" }'),
    ('name = "beta"', 'platforms = ["linux-amd64", "darwin-arm64", "windows-amd64"]'),
    ('name = "gamma"', "optional = true", 'version = "~1.1"'),
    ('name = "delta"',),
)


def shuffled_layout(layout: Path, chance: random.Random) -> None:
    """Turn the order in which each repository lists its tags."""
    for index in layout.rglob("index.json"):
        document = json.loads(index.read_text())
        chance.shuffle(document["manifests"])
        index.write_text(json.dumps(document))


def shuffled_manifest(chance: random.Random) -> str:
    """Return the manifest with entries, keys and lists in another order."""
    lines = ["schema = 1", f"platforms = {json.dumps(chance.sample(['linux-amd64', 'darwin-arm64'], 2))}"]
    for entry in chance.sample(_ENTRIES, len(_ENTRIES)):
        lines += ["[[images]]", *chance.sample(entry, len(entry))]
    text = "\n".join([*lines, ""])
    pairs = ['alpha = "plugin"', 'second = "plugin"']
    text = text.replace(", ".join(pairs), ", ".join(chance.sample(pairs, 2)))
    listed = ["linux-amd64", "darwin-arm64", "windows-amd64"]
    return text.replace(json.dumps(listed), json.dumps(chance.sample(listed, 3)))


def shuffled_plugins(project: Path, chance: random.Random) -> None:
    """Install the plugins anew in another order."""
    shutil.rmtree(project / ".venv", ignore_errors=True)
    place = library(project / ".venv")
    for name, image, spec in chance.sample(PLUGINS, len(PLUGINS)):
        install(place, name, "1.0", manifest(image, spec))


def test_locking_again_gives_the_same_bytes(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    chance = random.Random("relock")  # noqa: S311 - the same turns every time
    layout, project = tmp_path / "reg", tmp_path / "project"
    project.mkdir()
    for name in NAMES:
        for tag in ("v1.0.0", "1.1.0", "v1.1.0", "v1.2.0-rc.1", "v2.0.0"):
            images.add_image(str(layout), name, tag, images.executables(f"{name} {tag}", *images.PLATFORMS))
    texts = set()
    for turn in range(TIMES):
        shuffled_layout(layout, chance)
        shuffled_plugins(project, chance)
        (project / "d8.toml").write_text(shuffled_manifest(chance))
        cold = turn % 2 == 0
        home = tmp_path / (f"home{turn}" if cold else "warm")
        home.mkdir(exist_ok=True)
        if cold:
            (project / "d8.lock").unlink(missing_ok=True)
        env = {"D8_RPP_ENDPOINT": f"oci-layout:{layout}", "PYTHONHASHSEED": str(chance.randrange(1000))}
        width = str(chance.choice([1, 3, 8, 32]))
        words = ("lock", "--connections", width, *(() if cold or turn % 4 == 1 else ("--upgrade",)))
        done = run(*words, home=str(home), cwd=str(project), env=env)
        assert done.code == 0, done
        texts.add((project / "d8.lock").read_bytes())
    print(f"{TIMES} locks, cold and warm: {len(texts)} text")  # noqa: T201 - the figure
    record_property("locks", TIMES)
    assert len(texts) == 1
    (text,) = texts
    assert text.count(b"[[images]]") == len(NAMES)
    assert text.count(b"d8-plug-") == len(PLUGINS)
