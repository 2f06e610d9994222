"""What Windows cannot hold as a file name, and which two names are one file there."""

from __future__ import annotations

import pytest

from d8_installer.errors import DocumentError
from d8_installer.model.reference import ImageName, file_clashes, is_device
from d8_installer.model.requirement import default_binaries
from d8_installer.model.windows_names import clashes, windows_fault

PORTS = [f"{port}{number}" for port in ("com", "lpt") for number in "123456789\xb9\xb2\xb3"]


@pytest.mark.parametrize("name", ["con", "prn", "aux", "nul", "conin$", "conout$", *PORTS])
@pytest.mark.parametrize("end", ["", ".exe", ".tar.gz", " ", " .txt", "."])
def test_devices_whatever_their_extension_and_case(name: str, end: str) -> None:
    assert is_device(name + end)
    assert is_device(name.upper() + end)
    assert windows_fault(name + end) == "is a device name on Windows"


@pytest.mark.parametrize("name", ["console", "com", "com0", "com10", "nul-x", "x.con", "con_", "\xb9", "lpt\u2074", ""])
def test_what_only_looks_like_a_device(name: str) -> None:
    assert not is_device(name)


@pytest.mark.parametrize("name", ["a.", "a ", "a. .", "..."])
def test_ends_that_windows_leaves_out(name: str) -> None:
    assert windows_fault(name).startswith("ends with a dot or a space")


@pytest.mark.parametrize("wrong", [*'<>:"/\\|?*', "\0", "\n", "\x1f"])
def test_characters_that_no_file_name_has(wrong: str) -> None:
    assert windows_fault(f"a{wrong}b") == f"has {wrong!r}, which no file name on Windows can have"


@pytest.mark.parametrize("name", ["plugin", "a b", ".hidden", "Мой проект (1)", "a.b.c", "x" * 255])
def test_names_for_every_system(name: str) -> None:
    assert windows_fault(name) == ""


def test_names_that_differ_in_case_only_are_one_file() -> None:
    assert list(clashes(["a", "B", "A", "b", "c"])) == [("a", "A"), ("B", "b")]
    assert list(clashes(["a", "a"])) == []


def test_a_name_and_the_same_with_exe_are_one_file() -> None:
    assert list(file_clashes(["x.exe", "y", "x", "z.exe", "y.cmd"])) == [("x", "x.exe")]


@pytest.mark.parametrize("name", ["con", "nul", "aux.tool", "a" * 65])
def test_an_image_whose_name_no_binary_may_have_needs_another_one(name: str) -> None:
    with pytest.raises(DocumentError, match=f"the binary of image '{name}' needs another name") as caught:
        default_binaries(ImageName(name))
    assert caught.value.hint == 'name it in d8.toml, under the image: binaries = { other-name = "plugin" }'
