"""A Deckhouse cluster as a whole: the control plane, images behind the authorizing front, people with kubeconfigs."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trustme

from d8_installer.model.reference import ImageName
from tests import command, images
from tests.cluster.front import Front, front
from tests.cluster.person import Operator
from tests.cluster.processes import first_line, started
from tests.cluster.rights import USUAL, Right

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.images import Build

PUBLIC_HOST = "registry-packages-proxy.cluster.example"
"""The host of an Ingress or HTTPRoute; only a CONNECT proxy knows it."""


@dataclass
class Deckhouse:
    """A cluster that has images. Each test begins with none of them, and with no ConfigMap, Ingress or pods."""

    cluster: Cluster
    front: Front
    layouts: Path
    proxy_url: str
    directory: Path
    stack: ExitStack
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def publish(
        self,
        name: str,
        *tags: str,
        contract: Mapping[str, Any] | None = None,
        builds: Mapping[str, Build] | None = None,
    ) -> None:
        """Publish tags of an image, with a contract that has its name and tag."""
        for tag in tags:
            notes = {} if contract is None else {"contract": annotation({"name": name, "version": tag, **contract})}
            self.publish_raw(name, tag, notes, builds)

    def publish_raw(
        self, name: str, tag: str, annotations: Mapping[str, str], builds: Mapping[str, Build] | None = None
    ) -> None:
        """Publish a tag whose index has these annotations, whatever they are."""
        built = images.executables(f"{name} {tag}", images.host_platform()) if builds is None else builds
        images.add_image(str(self.layouts), name, tag, built, annotations)

    def announce(self, **changes: Any) -> None:
        """Publish the ConfigMap that names the front; *changes* are `Cluster.config_map`'s arguments."""
        self.cluster.config_map(**({"endpoints": [self.front.address], "ca": self.front.ca_pem} | changes))

    def person(self, home: Path, rights: Sequence[Right] = USUAL, **changes: Any) -> Operator:
        """Return somebody with an empty HOME but for ``~/.kube/config``, of a new service account with *rights*.

        *changes* are of the kubeconfig's cluster.
        """
        name = f"operator-{next(self._numbers)}"
        token = self.cluster.service_account(name, rights)
        kubeconfig = self.cluster.kubeconfig_for(home / ".kube/config", token=token, **changes)
        return Operator(home, account=name, token=token, kubeconfig=kubeconfig)

    def another_front(self, **options: Any) -> Front:
        """Run one more front before the same images until the test ends; *options* are those of `front.front`."""
        directory = self.directory / f"front-{next(self._numbers)}"
        chosen: dict[str, Any] = {"authority": self.front.authority, "upstream": self.proxy_url} | options
        return self.stack.enter_context(front(self.cluster, directory=directory, **chosen))

    def as_administrator(self, typed: Sequence[Sequence[str]], directory: Path) -> None:
        """Type commands that begin with ``kubectl`` with all rights; what they make is removed after the test."""
        kubeconfig = self.cluster.admin_kubeconfig(directory / "admin.kubeconfig")
        for words in typed:
            done = command.ended(
                [self.cluster.tools.kubectl, f"--kubeconfig={kubeconfig}", *words[1:], "-o", "json"],
                home=str(directory),
            )
            assert done.code == 0, done
            self.cluster.adopt(json.loads(done.out))

    def public_front(self) -> Front:
        """Run a front whose certificate is for PUBLIC_HOST, as that of an Ingress is."""
        return self.another_front(authority=trustme.CA(), names=(PUBLIC_HOST,))

    def empty_of(self, name: str) -> None:
        """Remove all versions of an image."""
        shutil.rmtree(self.layouts / ImageName.parse(name).path)

    def empty(self) -> None:
        """Remove all images, forget what was asked, and end what a test started."""
        self.stack.close()
        self.front.forget()
        for place in self.layouts.iterdir():
            shutil.rmtree(place) if place.is_dir() else place.unlink()


def annotation(contract: Mapping[str, Any] | str) -> str:
    """Return a contract as the annotation ``contract`` holds it; a text may be anything."""
    text = contract if isinstance(contract, str) else json.dumps(contract)
    return base64.b64encode(text.encode()).decode()


def needs(
    *,
    kubernetes: str = "",
    deckhouse: str = "",
    modules: Mapping[str, str] | None = None,
    plugins: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a contract's requirements: constraints by name, all of them mandatory."""
    platform = {"kubernetes": kubernetes, "deckhouse": deckhouse}
    wanted = {"modules": modules or {}, "plugins": plugins or {}}
    return {
        "requirements": {
            **{name: {"constraint": constraint} for name, constraint in platform.items() if constraint},
            **{
                kind: {"mandatory": [{"name": name, "constraint": constraint} for name, constraint in found.items()]}
                for kind, found in wanted.items()
            },
        }
    }


@contextmanager
def deckhouse(cluster: Cluster, directory: Path) -> Iterator[Deckhouse]:
    """Run the proxy (`d8-installer proxy serve`) and a front before it, while the context lasts."""
    layouts, home = directory / "layouts", directory / "home"
    for place in (layouts, home):
        place.mkdir(parents=True)
    env = ["env", "-i", *(f"{name}={value}" for name, value in command.environment(str(home)).items())]
    serve = ["proxy", "serve", "--from", f"oci-layout:{layouts}", "--listen", "127.0.0.1:0"]
    with ExitStack() as stack:
        process = stack.enter_context(started([*env, command.PROGRAM, *serve], directory, "proxy"))
        url = first_line(process, directory, "proxy").rpartition(" ")[2]
        before = stack.enter_context(front(cluster, url, directory / "front", authority=trustme.CA()))
        yield Deckhouse(cluster, before, layouts, url, directory, ExitStack())


def publish_alpha_beta_gamma(cluster: Deckhouse) -> None:
    """Publish three plugins: beta needs alpha, a module and a Kubernetes; gamma needs a module that is off."""
    cluster.publish("alpha", "v1.0.0", "v1.1.0", "v1.2.0", "v2.0.0", contract={"description": "the first"})
    beta = needs(kubernetes=">= 1.28", modules={"stronghold": ">= 1.3"}, plugins={"alpha": ">= 1.1, < 2"})
    cluster.publish("beta", "v1.0.0", contract=beta)
    cluster.publish("gamma", "v1.0.0", contract=needs(modules={"console": ""}))
