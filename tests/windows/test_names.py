"""Names that Windows cannot hold are refused where they are written down, and nothing is begun on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import images
from tests.windows import programs

if TYPE_CHECKING:
    from tests.windows.user import WindowsUser

NULL = 'schema = 1\n[[images]]\nname = "nul"\nbinaries = { null = "plugin" }\n'
CLASH = 'schema = 1\n[[images]]\nname = "alpha"\nbinaries = { alpha = "plugin", "alpha.exe" = "plugin" }\n'


LINUX = images.executables("alpha", "linux-amd64")


def test_an_image_with_the_name_of_a_device_is_placed_under_another_one(user: WindowsUser) -> None:
    user.publish("nul", "v1.0.0")
    odd = {"plugin": programs.saying("alpha"), "nul": b"a", "aux.txt": b"b", r"..\evil.exe": b"c", "C:evil.exe": b"d"}
    images.add_image(str(user.source), "alpha", "v1.0.0", {"windows-amd64": odd, **LINUX})
    refused = user.ends(2, "install", "nul", "alpha")
    assert "'nul' is a device name on Windows" in refused.err
    assert "is damaged" not in user.ok("install", "alpha").err
    placed = {path.name for path in user.path().rglob("*.exe")}
    assert placed == {"alpha.exe"}, "other files of a layer are never unpacked"
    project = user.path("project")
    project.mkdir()
    (project / "d8.toml").write_text(NULL)
    user.ok("sync", cwd=rf"{user.profile}\project")
    assert user.ok("run", "null", cwd=rf"{user.profile}\project").out == "nul v1.0.0\n"


def test_two_binaries_that_are_one_file_are_refused_in_the_manifest(user: WindowsUser) -> None:
    user.publish("alpha", "v1.0.0")
    user.path("d8.toml").write_text(CLASH)
    refused = user.ends(65, "manifest", "check", "d8.toml")
    assert "d8.toml:4: images[0].binaries: 'alpha.exe' and 'alpha' are one file on Windows" in refused.err


@pytest.mark.parametrize(
    ("image", "member", "problem"),
    [
        ("alpha", "plugin.exe", "rename plugin.exe to plugin: "),
        ("nul", "plugin", "no image can be published as 'nul'"),
        ("alpha", "AUX.txt", "its name is a device name on Windows"),
        ("alpha", "PLUGIN", "are one file on Windows, which ignores case"),
    ],
)
def test_publish_refuses_what_no_windows_could_hold(user: WindowsUser, image: str, member: str, problem: str) -> None:
    folder = user.path("build")  # written by Linux, whose files may have any name: so may a share's
    folder.mkdir()
    if member != "plugin.exe":
        (folder / "plugin").write_bytes(programs.saying("x"))
    if member != "plugin":
        (folder / member).write_bytes(b"text")
    where = user.machine.spelled(folder)
    named = ("--image", image, "--version", "v1.0.0", "--to", "oci-layout:out")
    refused = user.ends(2, "publish", *named, f"windows-amd64={where}")
    assert problem in refused.err
    assert not user.path("out").exists()


def test_a_file_to_write_needs_a_name_that_windows_can_hold(user: WindowsUser) -> None:
    """``-o con.bundle`` and ``--to con.d`` were tracebacks, and ``:`` would name a stream of another file."""
    user.publish("alpha", "v1.0.0")
    user.path("d8.toml").write_text('schema = 1\n[[images]]\nname = "alpha"\n')
    user.ok("lock")
    for name, fault in (("con.bundle", "is a device"), ("d8.lock:x", "has ':'")):
        refused = user.ends(2, "bundle", "create", "-o", name)
        assert f"-o {name}: {name!r} {fault}" in refused.err
    assert "--to aux.d: 'aux.d' is a device" in user.ends(2, "sync", "--to", "aux.d").err
    user.ok("sync", "--env", "con.d")  # a traceback, too
    assert "choose a name that Windows allows" in user.ends(73, "manifest", "init", "alpha", "--file", "a?b").err
