"""(f) ``plugins`` against ``pipx list``, (g) a warm launcher against its binary, (h) a first run against uvx."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import interleaved, service
from bench.rig import remove
from bench.table import Row, Target, ratios, seconds
from tests.installed import VERSION, add_launchers, install, library, manifest, write_recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.rig import Rig

ENVIRONMENTS, DISTRIBUTIONS = 40, 30
_BIG = 20_000_000
_NAME = "d8-bench-tool"


def rows(rig: Rig) -> list[Row]:
    """Measure all three."""
    return [_discovery(rig), _warm(rig), _first_run(rig)]


# -- (f) -----------------------------------------------------------------------------------------------------


def _discovery(rig: Rig) -> Row:
    pipx = rig.command.replace("d8-installer", "pipx")
    wheel = _wheel(rig, "d8-bench-first", {"d8-bench-first": b"#!/bin/sh\n"})
    rig.spend(pipx, "install", "--backend", "pip", str(wheel))
    first = Path(rig.env["PIPX_HOME"]) / "venvs" / "d8-bench-first"
    for number in range(1, ENVIRONMENTS):
        _copy_environment(first, f"d8-bench-{number}")
    for environment in sorted(path for path in first.parent.iterdir() if path.is_dir()):
        _fill(library(environment), environment.name)
    ours, others = interleaved(
        rig.often(15), lambda: rig.d8("plugins", "--json").seconds, lambda: rig.spend(pipx, "list", "--json").seconds
    )
    found = json.loads(rig.output(rig.command, "plugins", "--json"))["data"]["manifests"]
    if len(found) < ENVIRONMENTS or len(json.loads(rig.output(pipx, "list", "--json"))["venvs"]) != ENVIRONMENTS:
        raise SystemExit("bench: not all environments were found")
    remove(str(first.parent))
    name = f"plugins, {ENVIRONMENTS} environments x {DISTRIBUTIONS} distributions ÷ pipx list"
    raw = {"ours": ours, "pipx": others}
    return Row(name, ratios(ours, others), "x", Target("<=", 0.7), seconds(ours), seconds(others), raw)


def _copy_environment(first: Path, name: str) -> None:
    place = first.with_name(name)
    shutil.copytree(first, place, symlinks=True)
    metadata = place / "pipx_metadata.json"
    metadata.write_text(metadata.read_text().replace("d8-bench-first", name))


def _fill(place: Path, name: str) -> None:
    """Add a plugin and ordinary distributions, half of them with scripts."""
    install(place, f"d8-plug-{name}", "1.0", manifest(name))
    for number in range(DISTRIBUTIONS - 2):
        info = f"ordinary_{number}-1.{number}.dist-info"
        scripts = {f"{info}/entry_points.txt": b"[console_scripts]\nx = ordinary:main\n"} if number % 2 else {}
        write_recorded(place, info, {f"{info}/METADATA": b"Metadata-Version: 2.1\n" * 50, **scripts})


# -- (g) -----------------------------------------------------------------------------------------------------


def _warm(rig: Rig) -> Row:
    image = _publish(rig, Path(shutil.which("true") or "/bin/true"), "d8-bench-true")
    prefix = _plugin(rig, "d8-bench-true")
    launcher, home = str(prefix / "bin" / "d8-bench-true"), Path(rig.env["HOME"]) / ".local/share/d8-installer"
    env = rig.env | {"D8_RPP_ENDPOINT": image}
    rig.spend("/usr/bin/env", *(f"{name}={value}" for name, value in env.items()), launcher)
    direct = str(home / "bin" / "d8-bench-true")
    ours, others = interleaved(rig.often(200), lambda: rig.spend(launcher).seconds, lambda: rig.spend(direct).seconds)
    over = [(mine - other) * 1000 for mine, other in zip(ours, others, strict=True)]
    raw = {"launcher": ours, "direct": others}
    return Row(
        "launcher, warm, over calling the binary", over, "ms", Target("<=", 2), seconds(ours), seconds(others), raw
    )


def _plugin(rig: Rig, name: str) -> Path:
    """Put a plugin for the image *name* into the rig's environment; return its prefix."""
    prefix = Path(rig.python).parents[1]
    text = manifest(name)
    install(prefix / "lib" / VERSION / "site-packages", f"d8-plug-{name}", "1.0", text)
    add_launchers(prefix, text)
    return prefix


def _publish(rig: Rig, path: Path, name: str) -> str:
    layout = f"oci-layout:{rig.directory / 'plugins'}"
    rig.d8("publish", f"{rig.platform}={path}", "--image", name, "--version", "v1.0.0", "--to", layout)
    return layout


# -- (h) -----------------------------------------------------------------------------------------------------


def _first_run(rig: Rig) -> Row:
    """Compare with equal bytes on both sides: a script, followed by bytes that do not compress."""
    program = rig.directory / "big"
    program.write_bytes(b"#!/bin/sh\nexit 0\n" + os.urandom(_BIG))
    program.chmod(0o755)
    layout = _publish(rig, program, _NAME)
    launcher = str(_plugin(rig, _NAME) / "bin" / _NAME)
    uvx = rig.command.replace("d8-installer", "uvx")
    with rig.proxy(layout) as endpoint, _index(rig, program) as index:
        _cold(rig, launcher, endpoint)
        _uvx(rig, uvx, index)
        ours, others = interleaved(rig.often(7), lambda: _cold(rig, launcher, endpoint), lambda: _uvx(rig, uvx, index))
    name = f"first run of {_BIG / 1e6:.0f} MB by launcher ÷ uvx"
    raw = {"ours": ours, "uvx": others}
    return Row(name, ratios(ours, others), "x", Target("<=", 1.0), seconds(ours), seconds(others), raw)


def _cold(rig: Rig, launcher: str, endpoint: str) -> float:
    home = rig.fresh()
    spent = rig.spend("/usr/bin/env", f"D8_INSTALLER_HOME={home}", f"D8_RPP_ENDPOINT={endpoint}", launcher)
    remove(home)
    return spent.seconds


def _uvx(rig: Rig, uvx: str, index: str) -> float:
    cache = rig.fresh()
    spent = rig.spend(uvx, "--cache-dir", cache, "--python", rig.python, "--default-index", index, "-q", _NAME)
    remove(cache)
    return spent.seconds


@contextmanager
def _index(rig: Rig, program: Path) -> Iterator[str]:
    """Serve a simple index with one wheel that holds *program*, the same file as the image."""
    place = rig.directory / "index" / "simple" / _NAME
    place.mkdir(parents=True)
    wheel = _wheel(rig, _NAME, {_NAME: program.read_bytes()}).rename(place / "d8_bench_tool-1.0-py3-none-any.whl")
    (place / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    command = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(place.parents[1]),
        "0",
    ]
    with service(command, rig.env, str(rig.directory)) as output:
        port = output.readline().partition(" port ")[2].split()[0]
        yield f"http://127.0.0.1:{port}/simple"


def _wheel(rig: Rig, name: str, scripts: dict[str, bytes]) -> Path:
    """Write a wheel that holds only *scripts*."""
    stem = f"{name.replace('-', '_')}-1.0"
    stage = Path(rig.fresh())
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    wheel = b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{stem}.data/scripts/{script}": data for script, data in scripts.items()}
    info = f"{stem}.dist-info"
    write_recorded(stage, info, {**files, f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel})
    path = rig.directory / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(stage.rglob("*")):
            if file.is_file():
                entry = zipfile.ZipInfo(str(file.relative_to(stage)))
                entry.external_attr, entry.compress_type = 0o100755 << 16, zipfile.ZIP_DEFLATED
                archive.writestr(entry, file.read_bytes())
    return path
