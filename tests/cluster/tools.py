"""The programs of the control plane, built once for each machine: ``dev.py cluster-tools`` runs this module.

They lie outside the checkout, in ``~/.cache/d8-installer-parts/<hash of what they are made of>/``. The first build
takes five minutes and 3 GB of Go's own caches; a later one seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests import parts

MODULE = Path(__file__).resolve().parent / "parts"
PROGRAMS = ("kube-apiserver", "kubectl", "authorizing-front")
VERSION = "v1.37.2"
PACKAGES = ("k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubectl", "./authorizing-front")
HINT = "run `python3 dev.py cluster-tools`"


@dataclass(frozen=True)
class Tools:
    """Where each program is."""

    etcd: str
    apiserver: str
    kubectl: str
    front: str


class ToolsMissingError(Exception):
    """A program is missing; the message says which, and what to type."""


def find() -> Tools:
    """Return the programs, or raise ToolsMissingError."""
    place = _place()
    if not place.is_dir():
        raise ToolsMissingError(f"kube-apiserver is not built here; {HINT}")
    return Tools(_etcd(), *(str(place / program) for program in PROGRAMS))


def build() -> Path:
    """Build what is missing, and return where it is; only one process builds."""
    return parts.built(_place(), _build, "lock")


def _place() -> Path:
    return parts.place(_fingerprint())


def _fingerprint() -> str:
    """Return the hash of all that the programs are made of."""
    sources = [MODULE / "go.mod", MODULE / "go.sum", *sorted(MODULE.rglob("*.go"))]
    facts = [_go("version"), "\0".join(_command("")).encode(), *(source.read_bytes() for source in sources)]
    return hashlib.sha256(b"\0".join(facts)).hexdigest()[:16]


def _go(*words: str) -> bytes:
    program = shutil.which("go")
    if program is None:
        raise ToolsMissingError("go is not on PATH, and builds kube-apiserver")
    try:
        return subprocess.run([program, *words], check=True, capture_output=True, cwd=MODULE).stdout
    except subprocess.CalledProcessError as error:
        raise ToolsMissingError(f"`go {words[0]}` fails: {error.stderr.decode(errors='replace')}") from error


def _command(into: str) -> list[str]:
    """Return the command line that builds everything; without the version, ``/version`` would be no SemVer."""
    major, minor, _ = VERSION.removeprefix("v").split(".")
    facts = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    said = " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in facts.items())
    return ["build", "-buildvcs=false", "-trimpath", "-ldflags", f"-s -w {said}", "-o", into, *PACKAGES]


def _build(place: Path) -> None:
    """Build everything into a temporary folder, and give it its name when all of it is there."""
    started = time.monotonic()
    print(f"cluster-tools: building {', '.join(PROGRAMS)} (5 minutes the first time)", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="building-", dir=place.parent, ignore_cleanup_errors=True) as directory:
        into = Path(directory, "bin")
        environment = dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="local", GOGC="off")
        built = subprocess.run(["go", *_command(f"{into}/")], cwd=MODULE, env=environment, check=False)
        if built.returncode != 0:
            raise ToolsMissingError("the build failed (see above)")
        into.rename(place)
    print(f"cluster-tools: built in {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201


def _etcd() -> str:
    """Return Debian's etcd; other systems have /usr/sbin not on PATH."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/bin", "/usr/sbin"])
    found = shutil.which("etcd", path=path)
    if found is None:
        raise ToolsMissingError("etcd is not on PATH; on Debian: apt-get install etcd-server")
    return found


def main() -> int:
    """Build, and say where the programs are; the exit code is 1 if one cannot be had."""
    try:
        place = build()
        etcd = find().etcd
    except ToolsMissingError as error:
        print(f"cluster-tools: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"cluster-tools: {etcd}, {place}/{{{','.join(PROGRAMS)}}}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
