"""Images that umoci makes: layers whose last member has no padding, several layers, files in directories."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

UMOCI = shutil.which("umoci")
pytestmark = pytest.mark.skipif(UMOCI is None, reason="umoci is not on PATH; on Debian: apt-get install umoci")


class Place(Person):
    """A HOME, and a directory of OCI layouts that umoci writes."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "home", directory / "images")
        self.layout = directory / "images/deckhouse-cli/plugins/tool"
        self.layout.parent.mkdir(parents=True)
        self.umoci("init", "--layout", str(self.layout))

    def umoci(self, *words: str) -> None:
        assert UMOCI is not None
        subprocess.run([UMOCI, *words], check=True, capture_output=True, env={"HOME": str(self.home)})

    def insert(self, tag: str, into: str, text: str, *, above: str | None = None) -> None:
        """Put a script into an image: a new one, or in a layer above those of another tag."""
        if above is None:
            self.umoci("new", "--image", f"{self.layout}:{tag}")
        program = self.home / "program"
        program.write_bytes(images.script(text))
        program.chmod(0o755)
        self.umoci("insert", "--image", f"{self.layout}:{above or tag}", "--tag", tag, str(program), into)

    def wants(self, binaries: str) -> None:
        self.manifest.parent.mkdir(parents=True, exist_ok=True)
        self.manifest.write_text(f'schema = 1\n[[images]]\nname = "tool"\nbinaries = {{ {binaries} }}\n')


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_umoci_inserts_is_installed(place: Place) -> None:
    place.insert("v1.0.0", "/plugin", "from umoci")
    place.ok("install", "tool")
    assert place.says("tool") == "from umoci"


def test_files_of_one_base_name_are_told_apart_by_their_path(place: Place) -> None:
    tree = place.home / "tree"
    for directory, text in (("bin", "the program"), ("completions", "the completion")):
        (tree / directory).mkdir(parents=True)
        (tree / directory / "x").write_bytes(images.script(text))
        (tree / directory / "x").chmod(0o755)
    place.umoci("new", "--image", f"{place.layout}:v1.0.0")
    place.umoci("insert", "--image", f"{place.layout}:v1.0.0", str(tree), "/usr")
    place.wants('x = "x"')
    refused = place.fails(76, "sync")
    assert '"usr/bin/x", "usr/completions/x"' in refused.err
    assert '`x = "usr/bin/x"`' in refused.err
    place.wants('x = "usr/bin/x", y = "/usr/completions/x"')
    place.ok("sync")
    assert (place.says("x"), place.says("y")) == ("the program", "the completion")
    lock = (place.home / ".local/share/d8-installer/profiles/user/d8.lock").read_text()
    assert 'x = "usr/bin/x"\ny = "usr/completions/x"\n' in lock
    assert place.ok("sync", "--locked").out == "nothing to do\n"
    place.ok("verify")


def test_a_file_in_a_lower_layer_is_said_to_be_there(place: Place) -> None:
    place.insert("v1.0.0", "/plugin", "lower")
    place.insert("v1.1.0", "/usr/bin/other", "upper", above="v1.0.0")
    refused = place.fails(69, "install", "tool")
    assert "only the last of the image's 2 layers is served" in refused.err
    assert 'it holds "other"' in refused.err
    assert "`d8-installer publish`" in refused.err
