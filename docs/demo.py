"""The main job in one minute, on real binaries and on loopback; run it with ``python3 dev.py demo``.

``python3 dev.py demo --picture docs/images/terminal.svg`` also draws the README's picture of it.

It takes ruff's executables for four platforms from PyPI, publishes them as one image into an OCI layout, serves the
layout as a registry-packages-proxy does, and installs from it into an empty HOME. It leaves nothing behind.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "0.14.0"
WHEELS = {
    "linux-amd64": "manylinux2014_x86_64",
    "linux-arm64": "manylinux2014_aarch64",
    "darwin-arm64": "macosx_11_0_arm64",
    "windows-amd64": "win_amd64",
}
MANIFEST = """\
schema = 1
[[images]]
name = "ruff"
version = ">=0.14, <1"
binaries = { d8-ruff = "plugin" }
"""
PLUGIN = """\
[build-system]
requires = ["hatchling", "d8-installer"]
build-backend = "hatchling.build"

[project]
name = "d8-plug-ruff"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["d8-installer"]

[tool.hatch.build.hooks.d8]
"""
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
OFFLINE = ["--no-deps", "--no-build-isolation"]
ROOT = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).with_name("d8-installer")


def main() -> None:
    """Run the demo in a directory of its own, and remove it."""
    parser = argparse.ArgumentParser(prog="dev.py demo")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="also draw the operator's commands into this SVG")
    picture = parser.parse_args().picture
    with tempfile.TemporaryDirectory(prefix="d8-demo-") as directory:
        demo = Demo(Path(directory).resolve(), has_colours=picture is not None)
        demo.run()
    print("\nall of this was in one directory, which is removed again")
    if picture is not None:
        from picture import drawn

        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(drawn(demo.operator), encoding="utf-8")


class Demo:
    """One run: a working directory with a home in it, and what was typed there."""

    def __init__(self, directory: Path, *, has_colours: bool) -> None:
        self.directory = directory
        self.printed = self.operator = ""
        home = directory / "home"
        home.mkdir()
        keep = {name: value for name, value in os.environ.items() if name in {"D8_TEST_COVERAGE", "LANG", "PIP_CERT"}}
        # `dev.py` puts the environment that this runs in on PATH, and that has a ruff of its own: leave it out.
        others = [
            entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry != str(COMMAND.parent)
        ]
        path = os.pathsep.join([str(home / ".local/bin"), self.tools(), *others])
        links = {f"{tool}_FIND_LINKS": str(directory / "dist") for tool in ("PIP", "UV")}
        colours = {"FORCE_COLOR": "1"} if has_colours else {"NO_COLOR": "1"}
        self.env = {**keep, **links, **colours, "HOME": str(home), "PATH": path}
        self.env |= {"PIPX_DEFAULT_BACKEND": "pip", "SHELL": "/bin/bash", "TERM": "xterm"}

    def tools(self) -> str:
        """Return a directory with the commands that are typed, and no others: this environment has a ruff too."""
        directory = self.directory / "tools"
        directory.mkdir()
        for name in ("d8-installer", "pip", "pipx", "python"):
            (directory / name).symlink_to(COMMAND.with_name(name))
        return str(directory)

    def run(self) -> None:
        """Declare, publish, serve, install, run, look, and ask for other platforms."""
        self.say("the author: a manifest for the wheel, one image for all platforms")
        builds = {platform: self.executable(platform, tag) for platform, tag in WHEELS.items()}
        project = self.directory / "project"
        project.mkdir()
        (project / "d8.toml").write_text(MANIFEST)
        self.type("cat project/d8.toml")
        paths = [f"{platform}={path.relative_to(self.directory)}" for platform, path in builds.items()]
        self.d8("publish", *paths, "--image", "ruff", "--version", f"v{VERSION}", "--to", "oci-layout:reg")
        with self.proxy() as url:
            self.say("the operator: one command installs the tool")
            self.d8("config", "set", "endpoint", url)
            before = len(self.printed)
            self.d8("install", "ruff>=0.14,<1")
            self.d8("ensurepath")
            self.env["PATH"] += f":{self.directory}/home/.local/share/d8-installer/bin"
            self.type("ruff --version   # in a new terminal")
            self.d8("list")
            self.operator = self.printed[before:].replace(url, "https://rpp.example.com")
            self.plugin()
            self.say("the project: its lock has every platform, pinned by digest")
            self.d8("lock", directory=project)
            self.type("cat project/d8.lock")
            self.d8("sync", "--locked", directory=project)
            self.d8("which", "d8-ruff", directory=project)
            self.say("another platform, and one that the image does not have")
            self.d8("install", "ruff", "--platform", "linux-arm64", "--home", "arm64")
            self.same(self.directory / "arm64/bin/ruff", builds["linux-arm64"])
            self.d8("install", "ruff", "--platform", "linux-s390x", "--home", "s390x", expect=69)

    def plugin(self) -> None:
        """Build a plugin's wheel, and use it as its users do."""
        self.say("the plugin: a Python package whose wheel has a launcher")
        package = self.directory / "plugin/src/d8_plug_ruff"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package.parents[1] / "pyproject.toml").write_text(PLUGIN)
        (package / "d8.toml").write_text(MANIFEST.replace("d8-ruff", "plug-ruff"))
        self.type("cat plugin/pyproject.toml")
        self.type("cat plugin/src/d8_plug_ruff/d8.toml")
        subprocess.run([*PIP, "wheel", *OFFLINE, "--wheel-dir", str(self.directory / "dist"), str(ROOT)], check=True)
        self.show("pip wheel --wheel-dir dist ./plugin")
        self.execute([*PIP, "wheel", *OFFLINE, "--wheel-dir", "dist", "./plugin"], self.directory, 0)
        self.type("pipx install --quiet dist/d8_plug_ruff-1.0-py3-none-any.whl")
        self.type("plug-ruff --version")
        self.type("plug-ruff --version")
        self.type("pipx uninstall --quiet d8-plug-ruff")
        self.d8("sync", "--prune")

    def executable(self, platform: str, tag: str) -> Path:
        """Take ruff's executable for *platform* out of its wheel on PyPI."""
        wheels = self.directory / "wheels" / platform
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
        subprocess.run(
            [*pip, "--only-binary=:all:", "--platform", tag, "--dest", str(wheels), f"ruff=={VERSION}"], check=True
        )
        target = self.directory / "builds" / platform / ("ruff.exe" if platform.startswith("windows") else "ruff")
        target.parent.mkdir(parents=True)
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            member = next(name for name in wheel.namelist() if name.endswith(f".data/scripts/{target.name}"))
            with wheel.open(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        target.chmod(0o755)
        return target

    @contextlib.contextmanager
    def proxy(self) -> Iterator[str]:
        """Serve the layout while the context lasts, and yield the address."""
        self.say("the proxy: the part that Deckhouse runs in a cluster")
        arguments = ["proxy", "serve", "--from", "oci-layout:reg", "--listen", "127.0.0.1:0", "--quiet"]
        self.show(f"d8-installer {shlex.join(arguments)} &")
        command = [str(COMMAND), *arguments]
        process = subprocess.Popen(command, cwd=self.directory, env=self.env, stdout=subprocess.PIPE, text=True)
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            self.print(line)
            yield line.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            process.wait()

    def d8(self, *arguments: str, directory: Path | None = None, expect: int = 0) -> None:
        """Type a d8-installer command, in *directory* if one is given."""
        where = f"cd {directory.name} && " if directory is not None else ""
        self.show(f"{where}d8-installer {shlex.join(arguments)}")
        self.execute([str(COMMAND), *arguments], directory or self.directory, expect)

    def type(self, line: str) -> None:
        """Type a command of the system."""
        self.show(line)
        words = shlex.split(line, comments=True)
        program = shutil.which(words[0], path=self.env["PATH"]) or words[0]
        self.execute([program if "/" not in words[0] else words[0], *words[1:]], self.directory, 0)

    def same(self, installed: Path, original: Path) -> None:
        """Compare the installed file with the one in its wheel."""
        self.show(f"cmp {installed.relative_to(self.directory)} {original.relative_to(self.directory)}")
        if installed.read_bytes() != original.read_bytes():
            raise SystemExit("the installed file differs from the wheel's")

    def execute(self, command: list[str], directory: Path, expect: int) -> None:
        """Run a command and print its output; end the demo if its exit code is not the expected one."""
        done = subprocess.run(
            command,
            cwd=directory,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.print(done.stdout)
        if done.returncode != expect:
            raise SystemExit(f"this command ended with {done.returncode}, not with {expect}")
        if expect:
            print(f"(exit code {expect})")

    def print(self, text: str) -> None:
        """Print *text* without this machine's directory and the end of each digest."""
        text = text.replace(str(self.directory / "home"), "~").replace(str(self.directory), "~demo")
        text = re.sub(r"([0-9a-f]{12})[0-9a-f]{52}", r"\1…", text)
        self.printed += text
        sys.stdout.write(text)
        sys.stdout.flush()

    def show(self, line: str) -> None:
        """Print what is typed."""
        self.print(f"$ {line}\n")

    @staticmethod
    def say(text: str) -> None:
        """Print a heading."""
        print(f"\n# {text}", flush=True)


if __name__ == "__main__":
    main()
