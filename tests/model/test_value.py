"""Structs: msgspec's and the plain ones, which stand in where msgspec has no wheel, behave the same."""

# The base of a class is a parameter of these tests.
# mypy: disable-error-code="misc,call-arg"

from __future__ import annotations

import copy
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec
import pytest

from d8_installer.model import plain_value, value
from tests import command
from tests.forms import THOROUGH
from tests.images import host_platform
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


class Kind(NamedTuple):
    """One kind of Struct, and the functions that belong to it."""

    struct: Any
    field: Any
    replace: Any
    asdict: Any


MSGSPEC = Kind(msgspec.Struct, msgspec.field, msgspec.structs.replace, msgspec.structs.asdict)
PLAIN = Kind(plain_value.Struct, plain_value.field, plain_value.replace, plain_value.asdict)


@pytest.fixture(params=[MSGSPEC, PLAIN], ids=["msgspec", "plain"])
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


def point(kind: Kind) -> Any:
    base: Any = kind.struct

    class Point(base, frozen=True, order=True):
        """Where something is."""

        x: int
        y: int = 0
        names: tuple[str, ...] = ()

        @property
        def sum(self) -> int:
            return int(self.x + self.y)

    return Point


def test_fields_are_positional_with_defaults_and_cannot_be_set(kind: Kind) -> None:
    one = point(kind)(1, names=("a",))
    assert (one.x, one.y, one.names, one.sum) == (1, 0, ("a",), 1)
    with pytest.raises(AttributeError):
        one.x = 2
    for wrong in ((), (1, 2, (), 3)):
        with pytest.raises(TypeError):
            point(kind)(*wrong)
    with pytest.raises(TypeError):
        point(kind)(1, z=2)


def test_records_are_equal_hashed_and_ordered_by_their_fields(kind: Kind) -> None:
    cls = point(kind)
    assert cls(1, 2) == cls(1, 2) != cls(1, 3)
    assert cls(1, 2) != (1, 2, ())
    assert cls(1, 2) != point(kind)(1, 2), "another class of the same fields"
    assert len({cls(1, 2), cls(1, 2), cls(2, 1)}) == 2
    assert sorted([cls(2), cls(1, 5), cls(1, 3)]) == [cls(1, 3), cls(1, 5), cls(2)]
    with pytest.raises(TypeError):
        assert cls(1) < (1,)


def test_the_repr_has_the_name_and_the_fields(kind: Kind) -> None:
    one = point(kind)(1, 2, ("a",))
    assert repr(one).rpartition(".")[2] == "Point(x=1, y=2, names=('a',))"
    assert value.repr_without(one, "y") == "Point(x=1, names=('a',))"
    assert value.field_names(one) == value.field_names(type(one)) == ("x", "y", "names") == one.__struct_fields__


def test_a_copy_with_changes_and_a_dict(kind: Kind) -> None:
    one = point(kind)(1, 2)
    assert kind.replace(one, y=5) == type(one)(1, 5)
    assert one == copy.copy(one) == type(one)(1, 2)
    assert kind.asdict(one) == {"x": 1, "y": 2, "names": ()}
    with pytest.raises(TypeError):
        kind.replace(one, z=1)


def test_keywords_only_and_a_default_that_is_made_each_time(kind: Kind) -> None:
    base: Any = kind.struct

    class Words(base, frozen=True, kw_only=True):
        first: str = "a"
        last: str  # a keyword may come without a default after one with
        seen: dict[str, int] = kind.field(default_factory=dict)

    one, other = Words(last="b"), Words(last="b")
    assert (one.first, one.last, one.seen) == ("a", "b", {})
    assert one.seen is not other.seen
    with pytest.raises(TypeError):
        Words("a", "b")


def test_options_are_inherited_and_fields_come_after_the_parents(kind: Kind) -> None:
    base: Any = point(kind)

    class Named(base, frozen=True):
        title: str = ""

    one = Named(1, 2, (), "t")
    assert value.field_names(one) == ("x", "y", "names", "title")
    assert one < Named(1, 2, (), "u")
    with pytest.raises(AttributeError):
        one.title = "u"


def test_what_is_not_frozen_can_be_set_and_has_no_hash(kind: Kind) -> None:
    base: Any = kind.struct

    class Count(base):
        n: int = 0

    one = Count()
    one.n = 3
    assert one == Count(3)
    with pytest.raises(TypeError):
        hash(one)


def test_a_class_may_check_itself_and_compare_in_its_own_way(kind: Kind) -> None:
    base: Any = kind.struct

    class Even(base, frozen=True):
        n: int
        note: str = ""

        def __post_init__(self) -> None:
            if self.n % 2:
                raise ValueError("odd")

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Even) and self.n == other.n

        __hash__ = None  # type: ignore[assignment]

        def __repr__(self) -> str:
            return f"<{self.n}>"

    with pytest.raises(ValueError, match="odd"):
        Even(1)
    assert Even(2, "a") == Even(2, "b")
    assert repr(Even(2)) == "<2>"
    with pytest.raises(TypeError):
        hash(Even(2))


def test_a_record_may_be_generic_and_hold_another_as_its_default(kind: Kind) -> None:
    cls = point(kind)

    base: Any = kind.struct

    class Document(base, Generic[T], frozen=True):
        text: str
        value: T
        place: Any = cls(1)

    assert Document[int]("1", 1) == Document("1", 1)
    assert Document("1", 1).place == cls(1)


# -- without msgspec -------------------------------------------------------------------------------------------

WITHOUT = 'import sys\nsys.modules["msgspec"] = None\n'
EVERY_MODULE = """
import importlib, pkgutil, d8_installer
for module in pkgutil.walk_packages(d8_installer.__path__, "d8_installer."):
    if not module.name.startswith(("d8_installer.testing", "d8_installer.__main__")):
        importlib.import_module(module.name)
from d8_installer.model.value import Struct
print(Struct.__module__)
"""


@pytest.fixture
def without_msgspec(tmp_path: Path) -> str:
    """Return a directory for PYTHONPATH that makes `import msgspec` fail, as where it has no wheel."""
    place = tmp_path / "without"
    place.mkdir()
    (place / "sitecustomize.py").write_text(WITHOUT)
    return str(place)


def test_every_module_can_be_imported_without_msgspec(without_msgspec: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + EVERY_MODULE], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.stdout, done.stderr) == ("d8_installer.model.plain_value\n", "")


class WithoutMsgspec(Person):
    """A person whose Python has no msgspec: each command is a process of its own that cannot import it."""

    def _command(self, *words: str, env: dict[str, str], cwd: str) -> command.Completed:
        return command.run_started(*words, home=str(self.home), env=env, cwd=cwd)

    def runs(self, version: str) -> bool:
        """Return whether the tool is in place and says *version*."""
        done = subprocess.run([self.bin / "tool"], capture_output=True, text=True, check=True)
        return done.stdout == f"tool {version} {host_platform()}\n"


@pytest.mark.skipif(os.name != "posix", reason="the programs of the images are scripts")
def test_the_command_installs_lists_syncs_and_uninstalls_without_msgspec(without_msgspec: str, tmp_path: Path) -> None:
    person = WithoutMsgspec(tmp_path / "home", tmp_path / "images", env={"PYTHONPATH": without_msgspec})
    person.publish("tool", "v1.0.0", "v1.1.0")
    person.ok("install", "tool<1.1")
    assert person.runs("v1.0.0")
    assert "tool" in person.ok("list").out
    person.ok("install", "tool>=1")
    person.ok("upgrade", "tool")
    (person.bin / "tool").unlink()
    person.ok("sync")
    assert person.runs("v1.1.0")
    person.ok("verify", "--fix")
    person.ok("rollback")
    person.ok("uninstall", "tool")
    assert not (person.bin / "tool").exists()


# -- wheels ----------------------------------------------------------------------------------------------------

PLATFORMS = {
    "linux-amd64": "manylinux_2_28_x86_64",
    "linux-arm64": "manylinux_2_28_aarch64",
    "darwin-amd64": "macosx_14_0_x86_64",
    "darwin-arm64": "macosx_14_0_arm64",
    "windows-amd64": "win_amd64",
}


@pytest.mark.thorough
@pytest.mark.skipif(not THOROUGH, reason="asks PyPI; runs with dev.py test --thorough")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_compiled_libraries_have_wheels_for_every_platform_that_images_have(platform: str, tmp_path: Path) -> None:
    """Needs PyPI. Elsewhere the markers of pyproject.toml leave them out, and the tool does without."""
    words = ["download", "--no-deps", "--only-binary=:all:", "--platform", PLATFORMS[platform]]
    for version in ("3.11", "3.14"):
        pip = [sys.executable, "-m", "pip", *words, "--python-version", version, "-d", str(tmp_path / version)]
        done = subprocess.run([*pip, "msgspec>=0.19", "isal>=1.7"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        names = {wheel.name.partition("-")[0] for wheel in (tmp_path / version).iterdir()}
        assert names == {"msgspec", "isal"}
