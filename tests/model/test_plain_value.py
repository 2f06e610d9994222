"""Without msgspec and isal, which are compiled: the same records, and a tool that installs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests import measured
from tests.command import ended
from tests.images import add_image, executables

if TYPE_CHECKING:
    from pathlib import Path

_WITHOUT = "import sys\nsys.modules['msgspec'] = sys.modules['isal'] = None\n"
_RECORDS = """
import json, pkgutil, importlib
import d8_installer
from d8_installer.model.value import Struct

def records():
    for found in pkgutil.walk_packages(d8_installer.__path__, "d8_installer."):
        if found.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(found.name)).items():
            if isinstance(value, type) and issubclass(value, Struct) and value is not Struct:
                yield f"{value.__module__}.{name}", value.__struct_fields__

print(json.dumps(dict(records())))
"""
_RUN = "from d8_installer.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"


def records(program: str, home: Path) -> dict[str, list[str]]:
    """Return the fields of every record of the package, by module and class."""
    done = ended([sys.executable, "-c", program], home=str(home), env={measured.VARIABLE: ""})
    assert done.code == 0, done
    found: dict[str, list[str]] = json.loads(done.out)
    return found


def test_every_record_has_the_same_fields(tmp_path: Path) -> None:
    found = records(_RECORDS, tmp_path)
    assert len(found) > 100
    assert records(_WITHOUT + _RECORDS, tmp_path) == found


def test_the_tool_installs(tmp_path: Path) -> None:
    registry = str(tmp_path / "registry")
    for tag, text in (("v1.0.0", "one"), ("v2.0.0", "two")):
        add_image(registry, "tool", tag, executables(text))
    home = tmp_path / "home"
    home.mkdir()
    said = []
    for words in (("install", "tool<2"), ("lock", "--check"), ("install", "tool"), ("list",), ("verify",), ("sync",)):
        command = [sys.executable, "-c", _WITHOUT + _RUN, "--endpoint", f"oci-layout:{registry}", *words]
        done = ended(command, home=str(home))
        assert done.code == 0, done
        said.append(done.out)
    assert "installed tool (tool v1.0.0)" in said[0]
    assert said[-1] == "nothing to do\n"
