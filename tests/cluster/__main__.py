"""A cluster to try the tool in by hand: ``python -m tests.cluster DIRECTORY``, until it is interrupted or terminated.

It has the plugins alpha, beta and gamma of the acceptance tests, the ConfigMap of the proxy, a person whose HOME is
``DIRECTORY/home``, and the administrator's kubeconfig.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import control_plane
from tests.cluster.deckhouse import deckhouse, publish_alpha_beta_gamma
from tests.cluster.tools import find
from tests.command import PROGRAM


def main(directory: Path) -> None:
    """Run the cluster, and say what to type."""
    for name in ("control-plane", "deckhouse"):
        (directory / name).mkdir(parents=True)
    with control_plane(find(), directory / "control-plane") as running:
        cluster = Cluster(running)
        cluster.prepare()
        with deckhouse(cluster, directory / "deckhouse") as made:
            publish_alpha_beta_gamma(made)
            made.announce()
            cluster.deckhouse("v1.77.0")
            cluster.module("stronghold", "v1.4.0")
            cluster.module("console", "v1.0.0", enabled=False)
            person = made.person(directory / "home")
            admin = cluster.admin_kubeconfig(directory / "admin.kubeconfig")
            print(f"as the administrator: {cluster.tools.kubectl} --kubeconfig {admin} get modules")  # noqa: T201
            print(f"the proxy's requests: {made.front.log}")  # noqa: T201
            print(f"as a person: env -i PATH=$PATH HOME={person.home} {PROGRAM} install beta", flush=True)  # noqa: T201
            with suppress(KeyboardInterrupt):
                signal.pause()


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="d8-cluster-")))
