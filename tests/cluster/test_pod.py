"""The tool in a pod: its service account says who it is, and leads to the proxy."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import command
from tests.cluster.rights import CLI_DOWNLOAD, READ_CONFIG_MAP
from tests.command import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
SCRIPT = f"""
mount -t tmpfs none /var/run
mkdir -p {ACCOUNT}
cp "$1"/* {ACCOUNT}
shift
exec "$@"
"""


@pytest.fixture
def mounts(tmp_path: Path) -> list[str]:
    """What a command line begins with that sees a service account which a test wrote."""
    place = tmp_path / "account"
    place.mkdir()
    (place / "ca.crt").touch()
    begin = [*OWN_MOUNTS, SCRIPT, "sh", str(place)]
    if shutil.which("unshare") is None or subprocess.run([*begin, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount in a user namespace of their own")
    return begin


def test_a_pod_needs_no_kubeconfig(deckhouse: Deckhouse, mounts: list[str], tmp_path: Path) -> None:
    cluster, place, home = deckhouse.cluster, tmp_path / "account", tmp_path / "home"
    home.mkdir()
    (place / "token").write_text(cluster.service_account("pod", [CLI_DOWNLOAD, READ_CONFIG_MAP]))
    (place / "ca.crt").write_text(cluster.ca_pem)
    deckhouse.publish("alpha", "v1.0.0")
    deckhouse.announce()
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(cluster.port)}
    done = command.ended([*mounts, PROGRAM, "-v", "install", "alpha"], home=str(home), env=env)
    assert done.code == 0, done
    assert "a token from the service account of this pod" in done.err
    assert deckhouse.front.asked[-1].user == "system:serviceaccount:people:pod"
    assert (home / ".local/share/d8-installer/bin/alpha").exists()
