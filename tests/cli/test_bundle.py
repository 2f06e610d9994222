"""Bundles as a person uses them: made where the network is, used where none is, and nothing differs."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from d8_installer.model.lock import Lock
from d8_installer.model.reference import ImageName
from d8_installer.registry import bundle as form
from d8_installer.registry.oci_layout import LayoutSource
from d8_installer.testing.faults import cut, fault_server, flipped, stalled
from tests import command, images, installed, measured
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from d8_installer.testing.faults import FaultServer

NAMES = ("alpha", "beta")
MANIFEST = 'schema = 1\n[[images]]\nname = "alpha"\nversion = ">=1"\n[[images]]\nname = "beta"\n'


class Office(Person):
    """Somebody with a project, its lock, and a proxy; `alpha` and `beta` share one layer for one platform."""

    def __init__(self, directory: Path, proxy: FaultServer) -> None:
        super().__init__(directory / "office", proxy.url, env={"D8_PATIENCE": "2"})
        self.cwd = self.project(MANIFEST)
        self.proxy = proxy
        self.ok("lock")

    @property
    def lock_bytes(self) -> bytes:
        return (self.cwd / "d8.lock").read_bytes()

    @property
    def bundle(self) -> Path:
        return self.cwd / "tools.bundle"

    def make(self, *more: str) -> bytes:
        self.ok("bundle", "create", "-o", "tools.bundle", *more)
        return self.bundle.read_bytes()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    root = str(tmp_path / "images")
    for name in NAMES:
        builds = images.executables(name, "linux-arm64", "darwin-arm64", images.host_platform())
        images.add_image(root, name, "v1.0.0", {**builds, "windows-amd64": images.windows_program("the same")})
    with fault_server(LayoutSource(root)) as proxy:
        yield Office(tmp_path, proxy)


class Island(Person):
    """A HOME that has nothing but the bundle, and no way out."""

    def __init__(self, directory: Path, bundle: bytes) -> None:
        super().__init__(directory, env={"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"})
        (directory / "b").write_bytes(bundle)


def names_in(bundle: bytes, tmp_path: Path) -> list[str]:
    file = tmp_path / "look"
    file.write_bytes(bundle)
    with tarfile.open(file) as archive:
        return archive.getnames()


def test_the_same_lock_gives_the_same_bytes_each_blob_once(office: Office, tmp_path: Path) -> None:
    first = office.make()
    names = names_in(first, tmp_path)
    assert names[:4] == ["d8.lock", "d8.toml", "index.json", "oci-layout"]
    blobs = names[4:]
    pins = [pin for image in Lock.parse(office.lock_bytes, "").images for _, pin in image.platforms]
    children, layers = {pin.child for pin in pins}, {pin.layer for pin in pins}
    assert len(set(names)) == len(names) == 4 + len(NAMES) + len(children) + len(layers)
    assert len(layers) < len(pins), "two images have one layer in common"
    assert all(name.startswith("blobs/sha256/") for name in blobs)
    with tarfile.open(office.bundle) as archive:
        for name in blobs:
            content = archive.extractfile(name)
            assert content is not None
            assert hashlib.sha256(content.read()).hexdigest() == name.rpartition("/")[2]
        lock = archive.extractfile("d8.lock")
        assert lock is not None
        assert lock.read() == office.lock_bytes
    office.bundle.unlink()
    other = command.run(
        *("--endpoint", f"oci-layout:{tmp_path / 'images'}", "--home", str(tmp_path / "h2"), "--project"),
        *("bundle", "create", "-o", "tools.bundle"),
        home=str(office.home),
        cwd=str(office.cwd),
    )
    assert other.code == 0, other
    assert hashlib.sha256(first).hexdigest() in other.out
    assert office.bundle.read_bytes() == first, "from another source, with another home"


@pytest.mark.skipif(os.name != "posix", reason="executes scripts by their first line")
def test_an_island_gets_the_same(office: Office, tmp_path: Path) -> None:
    """`sync --frozen --from bundle:` needs the one file; the lock and what it says are the origin's, byte for byte."""
    island = Island(tmp_path / "island", office.make())
    missing = island.run("sync", "--frozen")
    assert (missing.code, "is missing" in missing.err) == (65, True), missing
    done = island.run("sync", "--frozen", "--from", "bundle:b")
    assert done.code == 0, done
    assert "taking the one of bundle:b" in done.err
    assert [island.says(name) for name in NAMES] == [f"{name} {images.host_platform()}" for name in NAMES]
    assert (island.home / ".local/share/d8-installer/profiles/user/d8.lock").read_bytes() == office.lock_bytes
    assert island.run("sync", "--frozen", "--offline").out == "nothing to do\n"
    laid = island.run("sync", "--frozen", "--from", "bundle:b", "--platform", "darwin-arm64", "--to", "mac")
    assert laid.code == 0, laid
    assert (island.home / "mac/alpha").read_bytes() == images.executable("darwin-arm64", "alpha")
    assert sorted(os.listdir(island.home / "mac")) == ["alpha", "beta"]


def test_a_lock_made_from_the_bundle_is_the_origins(office: Office, tmp_path: Path) -> None:
    island = Island(tmp_path / "island", office.make())
    project = island.home / "project"
    project.mkdir()
    (project / "d8.toml").write_text(MANIFEST)
    for words in (("lock",), ("sync", "--locked"), ("lock", "--check"), ("lock", "--upgrade")):
        done = island.run("--endpoint", "bundle:../b", *words, cwd=project)
        assert done.code == 0, done
        assert (project / "d8.lock").read_bytes() == office.lock_bytes


def test_the_proxy_serves_a_bundle(office: Office, tmp_path: Path) -> None:
    island = Island(tmp_path / "island", office.make())
    words = ("proxy", "serve", "--from", "bundle:b", "--listen", "127.0.0.1:0")
    with command.start(*words, home=str(island.home)) as proxy:
        assert proxy.stdout is not None
        url = proxy.stdout.readline().removeprefix("listening on ").strip()
        done = island.run("--endpoint", url, "install", "alpha", "beta")
        proxy.terminate()
        proxy.communicate(timeout=60)
    assert done.code == 0, done
    assert island.says("alpha") == f"alpha {images.host_platform()}"


def test_one_platforms_bundle_says_what_it_lacks(office: Office, tmp_path: Path) -> None:
    whole, host = office.make(), images.host_platform()
    part = office.make("--platform", host)
    assert len(part) < len(whole)
    island = Island(tmp_path / "island", part)
    assert island.run("sync", "--frozen", "--from", "bundle:b").code == 0
    lacking = island.run("sync", "--frozen", "--from", "bundle:b", "--platform", "darwin-arm64", "--to", "mac")
    assert lacking.code == 69, lacking
    assert "has no layer" in lacking.err
    assert "for darwin-arm64" in lacking.err
    assert not (island.home / "mac").exists()
    check = office.run("--endpoint", "bundle:tools.bundle", "lock", "--check")
    assert check.code == 69, check
    assert f"alpha v1.0.0 for {host}" not in check.err
    assert "alpha v1.0.0 for darwin-arm64 is gone" in check.err
    unknown = office.run("bundle", "create", "-o", "x", "--platform", "linux-s390x")
    assert unknown.code == 69, unknown
    assert "alpha v1.0.0 is not locked for linux-s390x" in unknown.err


def test_what_plugins_ask_for_is_in_it(office: Office, tmp_path: Path) -> None:
    place = installed.library(office.cwd / ".venv")
    plugin = installed.install(place, "d8-plug-x", "1.0", installed.manifest("beta"))
    stale = office.run("bundle", "create", "-o", "tools.bundle")
    assert (stale.code, "is stale" in stale.err) == (65, True), stale
    assert not office.bundle.exists()
    assert office.run("lock").code == 0
    names = names_in(office.make(), tmp_path)
    assert "manifests/d8-plug-x.toml" in names
    with tarfile.open(office.bundle) as archive:
        content = archive.extractfile("manifests/d8-plug-x.toml")
        assert content is not None
        assert content.read() == plugin.file.read_bytes()


def leftovers(office: Office) -> list[str]:
    return [path.name for path in office.cwd.iterdir() if path.name.startswith("tools.bundle")]


def test_wrong_bytes_leave_nothing_and_a_cut_begins_anew(office: Office) -> None:
    office.proxy.on("layer", flipped())
    done = office.run("bundle", "create", "-o", "tools.bundle")
    assert done.code == 76, done
    assert office.proxy.url in done.err
    assert leftovers(office) == []
    office.proxy.reset()
    office.proxy.on("layer", cut(0.5), times=2)
    cut_twice = office.make()
    office.proxy.reset()
    assert office.make() == cut_twice
    office.proxy.on("layer", cut(0.5))
    done = office.run("bundle", "create", "-o", "tools.bundle")
    assert done.code == 75, done
    assert office.bundle.read_bytes() == cut_twice, "the old one stays until the new one is whole"
    assert leftovers(office) == ["tools.bundle"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_ended_in_the_middle_it_leaves_nothing(office: Office, number: signal.Signals) -> None:
    office.proxy.on("layer", stalled(0.5), after=2)
    # The measurement has a SIGTERM handler of its own, and one that is there already is left alone.
    env = {"D8_RPP_ENDPOINT": office.proxy.url, "HOME": str(office.home), measured.VARIABLE: ""}
    process = subprocess.Popen(
        [command.PROGRAM, "bundle", "create", "-o", "tools.bundle"],
        cwd=office.cwd,
        env=command.environment(str(office.home), **env),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    assert office.proxy.stalling.wait(60)
    process.send_signal(number)
    assert process.wait(60) != 0
    assert not office.bundle.exists()
    if number == signal.SIGKILL:
        office.proxy.reset()
        office.make()
        assert leftovers(office) == ["tools.bundle"], "the next one takes away what the killed one left"
    else:
        assert leftovers(office) == []


def test_skopeo_finds_the_images(office: Office) -> None:
    skopeo = "/usr/bin/skopeo"
    if not os.path.exists(skopeo):
        pytest.skip("skopeo is not installed")
    office.make()
    name = f"oci-archive:{office.bundle}:{ImageName.parse('alpha').path}:v1.0.0"
    done = subprocess.run([skopeo, "inspect", "--raw", name], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"sha256:{hashlib.sha256(done.stdout).hexdigest()}" in office.lock_bytes.decode()


def test_a_bundle_of_nothing_says_so(office: Office) -> None:
    (office.cwd / "d8.toml").write_text("schema = 1\n")
    assert office.run("lock").code == 0
    assert "tools.bundle (0 images, 0 layers, 10.2 kB)\n" in office.run("bundle", "create", "-o", "tools.bundle").out


# -- whom a carried lock is believed ------------------------------------------------------------------------------

CAT = 'schema = 1\n[[images]]\nname = "alpha"\nbinaries = { cat = "plugin" }\n'
"""Somebody's own manifest may take the name of a command; a bundle from anywhere may not."""


def carried(office: Office, tmp_path: Path) -> Island:
    (office.cwd / "d8.toml").write_text(CAT)
    assert office.run("lock").code == 0
    return Island(tmp_path / "island", office.make())


def binaries(island: Island) -> list[str]:
    return sorted(os.listdir(island.home / ".local/share/d8-installer/bin"))


def test_a_carried_lock_takes_no_other_commands_name(office: Office, tmp_path: Path) -> None:
    """Not the first time, and not the second, when it lies in the home; its trust is said as a first lock's."""
    island = carried(office, tmp_path)
    first = island.run("sync", "--frozen", "--from", "bundle:b")
    assert first.code == 0, first
    assert "trusting bundle:b for the first lock of alpha:v1.0.0" in first.err
    assert "cat of alpha is kept out of bin" in first.err
    for words in (("--frozen",), ("--locked",), ("--frozen", "--from", "bundle:b"), ()):
        again = island.run("sync", *words)
        assert (again.code, "trusting" in again.err, binaries(island)) == (0, False, []), again
    assert island.run("config", "set", "allow", "alpha").code == 0
    assert island.run("sync", "--frozen").code == 0
    assert binaries(island) == ["cat"]


def test_a_carried_lock_gives_a_name_as_a_plugin_would(office: Office, tmp_path: Path) -> None:
    island = Island(tmp_path / "island", office.make())
    for key, value in (("reserved", "alpha"), ("owners.beta", "alpha")):
        assert island.run("config", "set", key, value).code == 0
    done = island.run("sync", "--frozen", "--from", "bundle:b")
    assert (done.code, binaries(island)) == (0, []), done


def test_with_a_manifest_at_hand_the_carried_lock_has_to_agree(office: Office, tmp_path: Path) -> None:
    island = carried(office, tmp_path)
    project = island.home / "project"
    project.mkdir()
    (project / "d8.toml").write_text(MANIFEST)
    refused = island.run("sync", "--frozen", "--from", "bundle:../b", cwd=project)
    assert refused.code == 65, refused
    assert "d8.lock is not what is wanted here: alpha is locked for another request" in refused.err
    assert "leave --frozen out" in refused.err
    assert not (project / "d8.lock").exists()
    (project / "d8.toml").write_text(CAT)
    for _ in range(2):
        assert island.run("sync", "--frozen", "--from", "bundle:../b", cwd=project).code == 0
        assert len(list(island.home.glob(".local/share/d8-installer/profiles/*/current/bin/cat"))) == 1
    assert (project / "d8.lock").read_bytes() == office.lock_bytes


def test_a_mistyped_bundle_is_not_a_missing_lock(office: Office) -> None:
    (office.cwd / "d8.lock").unlink()
    typo = office.run("sync", "--frozen", "--from", "bundle:typo")
    assert (typo.code, "'typo' cannot be read: no such file" in typo.err) == (78, True), typo
    plain = office.run("sync", "--frozen")
    assert (plain.code, "is missing" in plain.err) == (65, True), plain


def test_with_nothing_to_do_a_typed_source_is_one_all_the_same(office: Office) -> None:
    assert office.run("sync").code == 0
    assert office.run("sync", "--from", office.proxy.url).out == "nothing to do\n"
    for url, says in (("bogus:x", "no source is known for 'bogus'"), ("x", "no scheme"), ("bundle:no", "no such file")):
        for words in (("sync", "--from", url), ("--endpoint", url, "sync", "--locked")):
            done = office.run(*words)
            assert (done.code, says in done.err) == (78, True), done


def test_a_damaged_lock_in_a_bundle_is_named(office: Office, tmp_path: Path) -> None:
    office.make()
    with tarfile.open(office.bundle) as archive:
        files = [(member.name, archive.extractfile(member)) for member in archive]
        content = {name: file.read() for name, file in files if file is not None}
    for text, hint in ((b"\xff", "copy the bundle again"), (b"lock_version = 99\n", "upgrade d8-installer")):
        raw = b""
        for name, data in (content | {"d8.lock": text}).items():
            raw += form.header(name, len(data)) + data + form.padding(len(data))
        place = tmp_path / hint.split()[0]
        done = Island(place, raw + form.end(len(raw))).run("sync", "--frozen", "--from", "bundle:b")
        assert done.code == 65, done
        assert done.errors[0].startswith("bundle:b:d8.lock:")
        assert f"hint: {hint}" in done.err


# -- where a bundle may go ----------------------------------------------------------------------------------------

NO_PLACE = {
    "nothing": ("", 2, "names no file"),
    "stdout's sign": ("-", 2, "names no file"),
    "stdout's name": ("/dev/stdout", 2, "not a name of a file"),
    "a descriptor": ("/proc/self/fd/1", 2, "not a name of a file"),
    "a directory": ("place", 73, "it is a directory"),
    "a directory, with its slash": ("place/", 2, "names no file"),
    "a pipe": ("pipe", 73, "it is not a regular file"),
    "a link to a pipe": ("to-pipe", 73, "it is not a regular file"),
    "the manifest": ("d8.toml", 2, "would take the place of"),
    "the lock": ("place/../d8.lock", 2, "would take the place of"),
    "another name of the lock": ("hard", 2, "would take the place of"),
    "the settings": ("../.config/d8-installer/config.toml", 2, "would take the place of"),
    "the home": ("../.local/share/d8-installer/schema", 2, "inside the home"),
    "no directory": ("nowhere/b", 73, "there is no directory"),
}


@pytest.mark.skipif(os.name != "posix", reason="makes a pipe")
def test_a_bundle_takes_no_place_but_a_files(office: Office) -> None:
    """And it is said before anything is fetched."""
    (office.cwd / "place").mkdir()
    os.mkfifo(office.cwd / "pipe")
    (office.cwd / "to-pipe").symlink_to("pipe")
    (office.cwd / "hard").hardlink_to(office.cwd / "d8.lock")
    assert office.run("config", "set", "reserved", "x").code == 0
    office.proxy.reset()
    before = {path: path.stat() for path in office.home.rglob("*") if "mutex" not in path.name}
    for output, code, says in NO_PLACE.values():
        done = office.run("bundle", "create", "-o", output)
        assert (done.code, says in done.err, "hint: " in done.err) == (code, True, True), done
    assert office.proxy.seen() == ()
    after = {path: path.stat() for path in office.home.rglob("*") if "mutex" not in path.name}
    assert {path: stat.st_mtime_ns for path, stat in after.items()} == {
        path: stat.st_mtime_ns for path, stat in before.items()
    }
