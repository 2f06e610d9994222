"""``proxy serve`` on Windows, with clients and proxies on Linux; layouts and bundles of both systems."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests import command
from tests.person import Person
from tests.terminal import Terminal
from tests.windows import programs
from tests.windows.machine import PROGRAM, PYTHON, SECONDS
from tests.windows.prefix import wine_environment
from tests.windows.started import started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.windows.machine import Machine
    from tests.windows.started import Started
    from tests.windows.user import WindowsUser

LISTENING = "listening on "


def serve(upstream: str) -> tuple[str, ...]:
    return "proxy", "serve", "--from", upstream, "--listen", "127.0.0.1:0"


def serving(user: WindowsUser, upstream: str, *, with_parent: bool = False) -> AbstractContextManager[Started]:
    return started(user, [PROGRAM, *serve(upstream)], with_parent=with_parent)


def url_of(running: Started) -> str:
    assert running.first.startswith(LISTENING), running.kill()
    return running.first.removeprefix(LISTENING)


@contextmanager
def serving_on_linux(person: Person, upstream: str) -> Iterator[str]:
    process = command.start(*serve(upstream), home=str(person.home))
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removeprefix(LISTENING)
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


def caches(user: WindowsUser) -> list[Path]:
    """Return the temporary caches that are there now."""
    return list(user.path("AppData/Local/Temp").glob("d8-proxy-*"))


def layout(user: WindowsUser) -> str:
    return f"oci-layout:{user.machine.spelled(user.source)}"


def test_layers_arrive_whole_through_proxies_of_both_systems(user: WindowsUser, tmp_path: Path) -> None:
    """Each is the source of the next; the last one keeps what arrives in a temporary cache, while it is sent."""
    user.publish("alpha", "v1.0.0")
    person = Person(tmp_path / "linux")
    with (
        serving(user, layout(user), with_parent=True) as first,
        serving_on_linux(person, url_of(first)) as second,
        serving(user, second) as third,
    ):
        url = url_of(third)
        user.ok("--endpoint", url, "install", "alpha")
        person.ok("install", "alpha", endpoint=url)
        assert user.ok("run", "alpha").out == "alpha v1.0.0\n"
        assert person.ok("run", "alpha", endpoint=url).out == "alpha v1.0.0 linux-amd64\n"

        assert len(caches(user)) == 2
        killed = third.kill()
        assert [line.split()[2] for line in killed.out.splitlines() if "/images/v1.0.0" in line] == ["200", "200"], (
            killed
        )
        ended = first.kill()
        assert ended.out.endswith("stopped\n"), "it ends with the process that started it"
    (left,) = caches(user)  # TerminateProcess gives nobody the time to clean up

    os.utime(left / "mutex", (0, 0))
    with serving(user, layout(user), with_parent=True) as next_one:
        url_of(next_one)
        assert left not in caches(user)
        next_one.kill()
    assert caches(user) == []


def test_ctrl_c_and_ctrl_break_end_it_cleanly(windows: Machine, user: WindowsUser) -> None:
    user.publish("alpha", "v1.0.0")
    with Terminal() as terminal:
        streams = terminal.child
        argv = ["setsid", "--ctty", "wine", PROGRAM, *serve(layout(user))]
        env = wine_environment(windows.prefix)
        process = subprocess.Popen(argv, env=env, stdin=streams, stdout=streams, stderr=streams)
        terminal.wait_for(LISTENING.encode())
        terminal.type("\x03")
        assert process.wait(SECONDS) == 0
        assert terminal.seen().lines[-1].endswith("stopped")
    assert not list(windows.drive_c.glob("users/*/Temp/d8-proxy-*"))

    # Wine sends no Ctrl-Break: the C library's own signal stands for it.
    code = """
import os, signal, sys
from d8_installer.proxy.server import ServeOptions, serve
from d8_installer.registry.oci_layout import LayoutSource
options = ServeOptions(registry=sys.argv[1])
serve(options, lambda url: LayoutSource(url.partition(":")[2]), lambda line: signal.raise_signal(signal.SIGBREAK))
print("stopped", signal.getsignal(signal.SIGBREAK) == signal.SIG_DFL)
"""
    assert windows.python(code, layout(user), env=user.variables).out == "stopped True\n"
    assert caches(user) == []


PUBLISHERS = """
import subprocess, sys
from d8_installer.registry.oci_layout import LayoutDestination, LayoutSource
from d8_installer.testing.memory import image_manifest

def publish(name):
    for number in range(12):
        tag = f"v{number}-{name}"
        LayoutDestination(sys.argv[1]).put_manifest("alpha", tag, image_manifest([], {"tag": tag}))

if len(sys.argv) > 2:
    sys.exit(publish(sys.argv[2]))
publish("first")
others = [subprocess.Popen([sys.executable, *sys.argv, name]) for name in "ab"]
source, looks = LayoutSource(sys.argv[1]), 0
while any(other.poll() is None for other in others):
    for tag in source.tags("alpha"):
        source.manifest("alpha", tag)
    looks += 1
print([other.wait() for other in others], len(source.tags("alpha")), looks > 1)
"""


def test_publishers_and_readers_of_a_layout_wait_for_each_other(user: WindowsUser) -> None:
    user.path("publishers.py").write_text(PUBLISHERS)
    done = user.types([PYTHON, "publishers.py", "images"])
    assert done.out == "[0, 0] 36 True\n", done


def test_images_and_bundles_are_the_same_bytes_on_both_systems(user: WindowsUser, tmp_path: Path) -> None:
    person = Person(tmp_path / "linux", tmp_path / "linux/images")
    (build := user.path("build")).mkdir()
    (build / "plugin").write_bytes(programs.saying("alpha v1.0.0"))
    (build / "README.txt").write_bytes(b"two\r\nlines\n")
    user.env["D8_RPP_ENDPOINT"] = r"oci-layout:C:\images"
    words = ("--image", "alpha", "--version", "v1.0.0", "--to")
    user.ok("publish", "windows-amd64=build", *words, r"oci-layout:C:\images")
    person.ok("publish", f"windows-amd64={build}", *words, f"oci-layout:{person.source}")
    assert files_in(user.machine.path(r"C:\images")) == files_in(tmp_path / "linux/images") != {}
    assert user.ok("publish", "windows-amd64=build", *words, r"oci-layout:C:\images").out.count("already") == 1

    text = 'schema = 1\n\n[[images]]\nname = "alpha"\nplatforms = ["windows-amd64"]\n'
    (project := user.path("project")).mkdir()
    (project / "d8.toml").write_text(text)
    there = person.project(text)
    for ok, place in ((user.ok, rf"{user.profile}\project"), (person.ok, str(there))):
        ok("lock", cwd=place)
        ok("bundle", "create", "-o", "tools.bundle", cwd=place)
    assert files_in(project) == files_in(there)

    user.path("island").mkdir()
    island = {"cwd": rf"{user.profile}\island", "env": {"D8_RPP_ENDPOINT": None}}
    (user.path("island") / "tools.bundle").write_bytes((there / "tools.bundle").read_bytes())
    user.ok("sync", "--frozen", "--from", "bundle:tools.bundle", **island)
    assert user.ok("run", "alpha", **island).out == "alpha v1.0.0\n"

    done = user.ends(78, "--endpoint", rf"bundle:{user.profile}\gone", "versions", "alpha", **island)
    assert rf"'{user.profile}\gone' cannot be read" in done.err

    other_drive = user.machine.spelled(tmp_path / "tools.bundle")
    user.ok("bundle", "create", "-o", other_drive, cwd=rf"{user.profile}\project")
    assert (tmp_path / "tools.bundle").read_bytes() == (there / "tools.bundle").read_bytes()
    user.ends(73, "sync", "--frozen", "--to", r"Q:\bin", cwd=rf"{user.profile}\project")
    user.ends(2, "bundle", "create", "-o", rf"{user.home.upper()}\tools.bundle", cwd=rf"{user.profile}\project")


def files_in(directory: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a directory and those in it."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
