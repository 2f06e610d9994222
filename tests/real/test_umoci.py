"""Images that umoci makes: layers whose last member has no padding, several layers, files in directories."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import command, images

if TYPE_CHECKING:
    from pathlib import Path

UMOCI = shutil.which("umoci")
pytestmark = pytest.mark.skipif(UMOCI is None, reason="umoci is not on PATH; on Debian: apt-get install umoci")


class Place:
    """A HOME, and a directory of OCI layouts that umoci writes."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.home.mkdir()
        self.layout = directory / "images/deckhouse-cli/plugins/tool"
        self.layout.parent.mkdir(parents=True)
        self.endpoint = f"oci-layout:{directory / 'images'}"
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

    def d8(self, *words: str, code: int = 0) -> command.Completed:
        done = command.run("--endpoint", self.endpoint, *words, home=str(self.home))
        assert done.code == code, done
        return done

    def says(self, name: str) -> str:
        binary = self.home / ".local/share/d8-installer/bin" / name
        return subprocess.run([binary], capture_output=True, text=True, check=True).stdout.strip()

    def wants(self, binaries: str) -> None:
        manifest = self.home / ".config/d8-installer/d8.toml"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(f'schema = 1\n[[images]]\nname = "tool"\nbinaries = {{ {binaries} }}\n')


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_umoci_inserts_is_installed(place: Place) -> None:
    place.insert("v1.0.0", "/plugin", "from umoci")
    place.d8("install", "tool")
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
    refused = place.d8("sync", code=76)
    assert '"usr/bin/x", "usr/completions/x"' in refused.err
    assert '`x = "usr/bin/x"`' in refused.err
    place.wants('x = "usr/bin/x", y = "/usr/completions/x"')
    place.d8("sync")
    assert (place.says("x"), place.says("y")) == ("the program", "the completion")
    lock = (place.home / ".local/share/d8-installer/profiles/user/d8.lock").read_text()
    assert 'x = "usr/bin/x"\ny = "usr/completions/x"\n' in lock
    assert place.d8("sync", "--locked").out == "nothing to do\n"
    place.d8("verify")


def test_a_file_in_a_lower_layer_is_said_to_be_there(place: Place) -> None:
    place.insert("v1.0.0", "/plugin", "lower")
    place.insert("v1.1.0", "/usr/bin/other", "upper", above="v1.0.0")
    refused = place.d8("install", "tool", code=69)
    assert "only the last of the image's 2 layers is served" in refused.err
    assert 'it holds "other"' in refused.err
    assert "`d8-installer publish`" in refused.err
