"""Where everything lies: below the home and nowhere else; which directory is the home, and which a project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from d8_installer.store.paths import (
    LONGEST_HOME,
    Home,
    ProfilePaths,
    config_directory,
    default_home,
    find_project,
    project_directory,
)

posix = pytest.mark.skipif(os.name != "posix", reason="XDG's directories")
DIGEST = "0" * 64


def every_path(home: Home) -> list[str]:
    """Return the value of every property, and of the methods for some digest."""
    profiles = [home.profile("user"), home.run(DIGEST)]
    properties = [
        getattr(thing, name)
        for thing in (home, *profiles)
        for name, value in vars(type(thing)).items()
        if isinstance(value, property)
    ]
    methods = [home.executables(DIGEST), home.executable(DIGEST, "d8"), home.layer(DIGEST)]
    return [*properties, *methods, *(path for p in profiles for path in (p.generation(1), p.record(1)))]


def test_all_lies_below_the_home_and_under_different_names(tmp_path: Path) -> None:
    paths = every_path(Home(str(tmp_path)))
    if os.name == "nt":
        paths.remove(str(tmp_path / "bin"))  # the home's is the user's profile's
    assert len(paths) == len(set(paths)) > 20
    for path in paths:
        assert os.path.commonpath([path, str(tmp_path)]) == str(tmp_path)


def test_a_relative_home_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home("here")
    monkeypatch.chdir("/")
    assert home.root == str(tmp_path / "here")


def test_bin_and_stamp_follow_the_design(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    user: ProfilePaths = home.profile("user")
    assert home.executable(DIGEST, "d8") == str(tmp_path / "store" / "sha256" / DIGEST / "d8")
    assert home.layer(DIGEST) == str(tmp_path / "store" / "layers" / f"{DIGEST}.json")
    current = tmp_path / "profiles" / "user" / "current"
    assert user.bin == str((tmp_path if os.name == "nt" else current) / "bin")
    assert user.record(3) == str(tmp_path / "profiles" / "user" / "generations" / "3" / "generation.json")


@posix
@pytest.mark.parametrize(
    ("environ", "home", "config"),
    [
        ({"HOME": "/h"}, "/h/.local/share", "/h/.config"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c"}, "/d", "/c"),
        ({"HOME": "/h", "XDG_DATA_HOME": "d", "XDG_CONFIG_HOME": "./c"}, "/h/.local/share", "/h/.config"),
        ({"HOME": "/h", "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": ""}, "/h/.local/share", "/h/.config"),
    ],
)
def test_the_default_home_is_xdgs(environ: dict[str, str], home: str, config: str) -> None:
    assert default_home(environ) == f"{home}/d8-installer"
    assert config_directory(environ) == f"{config}/d8-installer"


@posix
@pytest.mark.parametrize("environ", [{}, {"HOME": ""}])
def test_without_home_the_account_says_where(environ: dict[str, str]) -> None:
    assert os.path.isabs(default_home(environ))


# -- projects ------------------------------------------------------------------------------------------------


def make(root: Path, *paths: str) -> None:
    for path in paths:
        if path.endswith("/"):
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["a/b/c/d8.toml", "a/d8.toml"], "a/b/c"),
        (["a/b/c/", "a/b/d8.toml"], "a/b"),
        (["a/b/c/", "d8.toml"], ""),
        (["a/b/c/"], None),
        (["a/b/c/", "a/b/.git/", "a/d8.toml"], None),
        (["a/b/c/", "a/b/.git/", "a/b/d8.toml"], "a/b"),
        (["a/b/c/", "a/b/.git", "a/d8.toml"], None),
        (["a/b/c/d8.toml/", "a/d8.toml"], "a/b/c"),  # no file: who reads it says so
    ],
)
def test_the_nearest_project(tmp_path: Path, paths: list[str], found: str | None) -> None:
    make(tmp_path, ".git/", *paths)
    project = find_project(str(tmp_path / "a" / "b" / "c"), "/nobody")
    assert project == (None if found is None else str(tmp_path / found).rstrip("/"))


def test_the_search_ends_at_home(tmp_path: Path) -> None:
    make(tmp_path, "d8.toml", "home/work/")
    assert find_project(str(tmp_path / "home" / "work"), str(tmp_path / "home")) is None
    make(tmp_path, "home/d8.toml")
    assert find_project(str(tmp_path / "home" / "work"), str(tmp_path / "home")) == str(tmp_path / "home")
    assert find_project(str(tmp_path), str(tmp_path / "home")) == str(tmp_path)


@posix
def test_a_project_is_known_by_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    name = project_directory(str(tmp_path / "real"))
    assert project_directory(str(tmp_path / "link")) == name
    assert project_directory(str(tmp_path)) != name
    assert len(name) == 16
    assert set(name) <= set("0123456789abcdef")
    assert name not in {"user", "system"}


@posix
def test_a_project_whose_path_is_no_text(tmp_path: Path) -> None:
    strange = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"\xff\xfe"))
    os.mkdir(strange)
    assert len(project_directory(strange)) == 16
    assert find_project(strange, str(tmp_path)) is None
    Path(strange, "d8.toml").touch()
    assert find_project(strange, str(tmp_path)) == strange


def test_the_longest_home_leaves_room_for_every_path_below_it() -> None:
    """A name has at most 64 characters; a generation that is being removed has the longest name of a directory."""
    request, digest, name = "0" * 32, "0" * 64, "n" * 64 + ".exe"
    temporary = f".{2**48}.tmp"
    longest = [
        os.path.join("runs", request, "generations", "123456.gone", "req", request, name),
        os.path.join("profiles", "0" * 16, "current", "req", request, name),
        os.path.join("store", "sha256", digest, name),
        os.path.join("store", "layers", f"{digest}.json{temporary}"),
        os.path.join("facts", f"{digest}.passes.json{temporary}"),
        os.path.join("arriving", f"{digest}.etag{temporary}"),
        os.path.join("incoming", f"{2**32}.{'0' * 8}", f"{'m' * 32}.{'0' * 16}"),
    ]
    assert LONGEST_HOME + 1 + max(map(len, longest)) == 259
