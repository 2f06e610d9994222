"""The author's manifest: written once, and checked with the eyes of everybody who will read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d8_installer.model.manifest import Manifest
from tests.command import Completed, run
from tests.images import add_image, executables, script

if TYPE_CHECKING:
    from pathlib import Path


def d8(home: Path, *arguments: str, expect: int = 0, **variables: str) -> Completed:
    done = run("manifest", *arguments, home=str(home), env=variables)
    assert done.code == expect, done
    assert "Traceback" not in done.err
    return done


def test_what_init_writes_check_takes(tmp_path: Path) -> None:
    d8(tmp_path, "init", "hello>=1,<2", "vault")
    requests = Manifest.parse((tmp_path / "d8.toml").read_bytes(), "d8.toml").requests
    assert [(str(r.name), r.version.text) for r in requests] == [("hello", ">=1,<2"), ("vault", "*")]
    assert d8(tmp_path, "check").out.splitlines()[1:] == ["  hello >=1,<2: hello", "  vault *: vault"]


def test_init_touches_nothing_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "d8.toml").write_text("mine")
    assert "is there already" in d8(tmp_path, "init", "hello", expect=73).err
    assert (tmp_path / "d8.toml").read_text() == "mine"
    d8(tmp_path, "init", "hello", "--file", "other.toml")
    d8(tmp_path, "init", "hello>=", "--file", "third.toml", expect=2)
    assert not (tmp_path / "third.toml").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("schema = 1\n", "asks for no image"),
        ('schema = 1\n[[images]]\nname = "x"\nbinaries = { pip = "plugin" }\n', "no plugin gets the name 'pip'"),
        ('schema = 1\n[[images]]\nname = "x"\nverison = "1"\n', "did you mean `version`?"),
        ('schema = 1\n[[images]]\nnmae = "x"\n', "unknown key `nmae`"),
        ('schema = 1\n[[images]]\nnmae = "x"\n', "did you mean `name`?"),
        ('schema = 1\n[[images]]\nversion = "1"\n', "`name` is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "m.toml").write_text(text)
    done = d8(tmp_path, "check", "m.toml", expect=65)
    assert says in done.err
    assert str(tmp_path / "m.toml") in done.err


def test_a_directory_is_not_missing(tmp_path: Path) -> None:
    said = d8(tmp_path, "check", ".", expect=65).err
    assert f"{tmp_path}/. is a directory" in said
    assert "`d8-installer manifest check ./d8.toml`" in said


def test_a_wheel_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "x-1.0-py3-none-any.whl").write_bytes(b"PK\x03\x04\xff")
    said = d8(tmp_path, "check", "x-1.0-py3-none-any.whl", expect=65).err
    assert "x-1.0-py3-none-any.whl is a wheel, not a manifest\n" in said
    assert "hint: `d8-installer wheel x-1.0-py3-none-any.whl --dry-run` checks the manifest in it" in said


def test_a_moved_tag_can_be_accepted_for_a_check(tmp_path: Path) -> None:
    (tmp_path / "d8.toml").write_text('schema = 1\n[[images]]\nname = "hello"\n')
    add_image(str(tmp_path / "reg"), "hello", "v1.0.0", executables("hello"))
    endpoint = f"oci-layout:{tmp_path / 'reg'}"
    assert run("install", "hello", home=str(tmp_path), env={"D8_RPP_ENDPOINT": endpoint}).code == 0
    add_image(str(tmp_path / "moved"), "hello", "v1.0.0", executables("other"))
    asked = ("check", "--resolve", "--from", f"oci-layout:{tmp_path / 'moved'}")
    assert "the same command again with --accept-moved hello:v1.0.0" in d8(tmp_path, *asked, expect=76).err
    assert "hello * -> v1.0.0: hello" in d8(tmp_path, *asked, "--accept-moved", "hello:v1.0.0").out


def test_the_source_may_be_asked_too(tmp_path: Path) -> None:
    add_image(str(tmp_path / "reg"), "hello", "v1.2.0", executables("hello"))
    endpoint = f"oci-layout:{tmp_path / 'reg'}"
    d8(tmp_path, "init", "hello^1")
    assert "  hello ^1 -> v1.2.0: hello" in d8(tmp_path, "check", "--resolve", D8_RPP_ENDPOINT=endpoint).out
    d8(tmp_path, "init", "hello^2", "--file", "next.toml")
    d8(tmp_path, "check", "next.toml")
    d8(tmp_path, "check", "next.toml", "--resolve", expect=69, D8_RPP_ENDPOINT=endpoint)


@pytest.mark.parametrize("platform", ["linux-amd64", "darwin-arm64"])
def test_a_file_that_a_platform_lacks_is_named(tmp_path: Path, platform: str) -> None:
    whole, lacking = {"plugin": script("x"), "more": script("y")}, {"plugin": script("x")}
    files = {name: lacking if name == platform else whole for name in ("linux-amd64", "darwin-arm64")}
    add_image(str(tmp_path / "reg"), "hello", "v1.2.0", files)
    (tmp_path / "m.toml").write_text('schema = 1\n[[images]]\nname = "hello"\nbinaries = { more = "more" }\n')
    where = ("m.toml", "--resolve", "--from", f"oci-layout:{tmp_path / 'reg'}")
    said = d8(tmp_path, "check", *where, expect=69).err
    assert f"hello v1.2.0 for {platform}: " in said
    assert 'file not found in image: "more"' in said
