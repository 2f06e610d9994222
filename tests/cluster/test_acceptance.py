"""In a cluster a kubeconfig is all it takes: the user story of the cluster, as a person types it, with no flag.

beta needs alpha (>= 1.1, < 2), the module stronghold (>= 1.3) and Kubernetes (>= 1.28); gamma a module that is off.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.connect_proxy import connect_proxy
from tests.cluster.deckhouse import PUBLIC_HOST, needs, publish_alpha_beta_gamma
from tests.cluster.rights import (
    CLI_DOWNLOAD,
    LIST_MODULES,
    READ_CONFIG_MAP,
    READ_HTTP_ROUTE,
    READ_INGRESS,
    USUAL,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

BOTH = {"alpha": "v1.2.0", "beta": "v1.0.0"}


@pytest.fixture
def ready(deckhouse: Deckhouse) -> Deckhouse:
    """A cluster in which beta can be installed, and gamma cannot."""
    publish_alpha_beta_gamma(deckhouse)
    deckhouse.announce()
    deckhouse.cluster.deckhouse("v1.77.0")
    deckhouse.cluster.module("stronghold", "v1.3.0")
    deckhouse.cluster.module("console", "v1.0.0", enabled=False)
    return deckhouse


@pytest.fixture
def person(ready: Deckhouse, tmp_path: Path) -> Operator:
    return ready.person(tmp_path / "home")


@pytest.fixture
def installed(person: Operator) -> Operator:
    """A person who has installed beta."""
    person.ok("install", "beta")
    return person


def runs_both(person: Operator) -> None:
    """Check that alpha and beta are in place and run, from ``bin`` and by ``run``."""
    assert person.has() == BOTH
    for name, version in BOTH.items():
        assert person.says(name).startswith(f"{name} {version} ")
        assert person.ok("run", name, "one", "two").out.startswith(f"{name} {version} ")


def fails_untouched(person: Operator, code: int, *words: str, **env: str) -> str:
    """Run a command that must fail and leave everything as it was; return what it said."""
    before = person.state()
    done = person.fails(code, *words, **env)
    assert person.state() == before
    return done.err


# -- it finds the proxy, plans the dependency, installs and runs


def test_by_the_config_map(person: Operator, ready: Deckhouse) -> None:
    told = person.ok("install", "beta")
    assert "alpha" in told.out
    runs_both(person)
    assert {asked.user for asked in ready.front.asked[-3:]} == {f"system:serviceaccount:people:{person.account}"}
    assert "HEAD" not in {asked.method for asked in ready.front.asked}


@pytest.fixture
def outside(ready: Deckhouse, tmp_path: Path) -> Iterator[Operator]:
    """A person who reaches the public host only, by a forward proxy; the cluster has no ConfigMap."""
    ready.cluster.delete("ConfigMap", "registry-packages-proxy-config", "d8-cloud-instance-manager")
    front = ready.public_front()
    ca = tmp_path / "public-ca.pem"
    ca.write_text(front.ca_pem)
    with connect_proxy({PUBLIC_HOST: front.port}) as way:
        rights = [*(right for right in USUAL if right is not READ_CONFIG_MAP), READ_INGRESS, READ_HTTP_ROUTE]
        person = ready.person(tmp_path / "home", rights)
        person.env |= way.variables | {"SSL_CERT_FILE": str(ca)}
        yield person


def test_by_the_ingress(ready: Deckhouse, outside: Operator) -> None:
    ready.cluster.ingress(PUBLIC_HOST)
    outside.ok("install", "beta")
    runs_both(outside)


def test_by_the_route(ready: Deckhouse, outside: Operator) -> None:
    ready.cluster.http_route(PUBLIC_HOST)
    outside.ok("install", "beta")
    runs_both(outside)


def test_with_a_client_certificate(ready: Deckhouse, tmp_path: Path) -> None:
    """Port 4219 takes the client certificates of the cluster's authority (rpp.md §18.5)."""
    front = ready.another_front(client_ca=True)
    ready.announce(endpoints=[front.address])
    certificate = ready.cluster.client_certificate("anna")
    ready.cluster.grant_user("anna", *USUAL)
    person = ready.person(tmp_path / "home", [])
    ready.cluster.kubeconfig_for(person.kubeconfig, certificate=certificate)
    person.secrets = [certificate.key]
    person.ok("install", "beta")
    runs_both(person)
    assert {asked.user for asked in front.asked} == {"anna"}


# -- what is not met is refused, and nothing is changed


def test_a_module_that_is_off(person: Operator) -> None:
    said = fails_untouched(person, 65, "install", "gamma")
    assert 'module "console"' in said


def test_a_module_that_is_switched_off_later(installed: Operator, ready: Deckhouse) -> None:
    ready.cluster.module("stronghold", "v1.3.0", enabled=False)
    assert 'module "stronghold"' in fails_untouched(installed, 65, "check")
    assert 'module "stronghold"' in fails_untouched(installed, 65, "install", "beta")
    ready.cluster.module("stronghold", "v1.4.0")
    installed.ok("check")
    runs_both(installed)


def test_a_module_that_is_too_old(person: Operator, ready: Deckhouse) -> None:
    ready.cluster.module("stronghold", "v1.2.9")
    said = fails_untouched(person, 65, "install", "beta")
    assert 'module "stronghold" >= 1.3' in said
    assert "1.2.9" in said


def test_no_version_of_the_dependency_fits(person: Operator, ready: Deckhouse) -> None:
    ready.empty_of("alpha")
    ready.publish("alpha", "v1.0.0", "v2.0.0")
    said = fails_untouched(person, 65, "install", "beta")
    assert '"alpha"' in said
    assert "`d8-installer versions alpha`" in said


def test_a_newer_dependency_is_installed(person: Operator) -> None:
    """It is never replaced by an older one; the error names both ranges."""
    person.ok("install", "alpha==v2.0.0")
    said = fails_untouched(person, 65, "install", "beta")
    assert "needs >= 1.1, < 2; d8.toml wants ==v2.0.0" in said
    assert "loosen one of the ranges" in said
    assert "==v2.0.0" in person.ok("lock", "--explain", "alpha").out


def test_an_older_version_whose_requirements_hold(person: Operator, ready: Deckhouse) -> None:
    ready.publish("delta", "v1.0.0", contract={})
    ready.publish("delta", "v1.1.0", contract=needs(modules={"console": ""}))
    told = person.ok("install", "delta")
    assert person.has() == {"delta": "v1.0.0"}
    assert "v1.1.0" in told.err
    assert 'module "console"' in told.err


# -- a right that is taken away


def test_the_right_to_download(installed: Operator, ready: Deckhouse) -> None:
    ready.cluster.take_away(installed.account, CLI_DOWNLOAD)
    said = fails_untouched(installed, 77, "upgrade", "--all")
    assert "d8:registry-packages-proxy:cli-download" in said
    assert "30 s" in said
    runs_both(installed)


def test_the_right_to_list_modules(person: Operator, ready: Deckhouse) -> None:
    ready.cluster.take_away(person.account, LIST_MODULES)
    said = fails_untouched(person, 77, "install", "beta")
    assert "modules" in said
    assert "kubectl" in said
    assert "--skip-cluster-checks" in said
    person.ok("install", "beta", "--skip-cluster-checks")
    assert person.has() == BOTH


def test_an_image_without_requirements_needs_no_right_but_to_download(ready: Deckhouse, tmp_path: Path) -> None:
    person = ready.person(tmp_path / "home", [CLI_DOWNLOAD, READ_CONFIG_MAP])
    person.ok("install", "alpha")
    assert person.has() == {"alpha": "v2.0.0"}


def test_no_right_to_read_where_the_proxy_is(ready: Deckhouse, tmp_path: Path) -> None:
    person = ready.person(tmp_path / "home", [right for right in USUAL if right is not READ_CONFIG_MAP])
    said = fails_untouched(person, 77, "install", "beta")
    assert "registry-packages-proxy" in said
    assert "kubectl" in said


# -- a token that has expired


def test_an_expired_token(installed: Operator, ready: Deckhouse) -> None:
    expired = ready.cluster.token_until(installed.account, time.time() - 90)
    ready.cluster.kubeconfig_for(installed.kubeconfig, token=expired)
    installed.secrets.append(expired)
    for words in (("upgrade", "--all"), ("install", "gamma"), ("check",)):
        said = fails_untouched(installed, 77, *words)
        assert "expired" in said
    assert installed.has() == BOTH
    assert installed.says("beta").startswith("beta v1.0.0 ")
    ready.cluster.kubeconfig_for(installed.kubeconfig, token=installed.token)
    installed.ok("upgrade", "--all")


# -- tried before it is done


def test_an_upgrade_of_the_cluster_is_tried_with_a_file(installed: Operator) -> None:
    installed.ok("facts", "-o", "facts.json")
    facts = installed.home / "facts.json"
    for words in (("check",), ("sync",), ("sync", "--locked"), ("lock", "--check")):
        installed.ok(*words, "--facts", str(facts))
    text = facts.read_text()
    assert "stronghold" in text
    facts.write_text(text.replace("1.3.0", "1.2.0"))
    for words in (("check",), ("sync",), ("sync", "--locked"), ("lock", "--check")):
        assert 'module "stronghold"' in fails_untouched(installed, 65, *words, "--facts", str(facts))
    installed.ok("install", "gamma", "--skip-cluster-checks")


def test_the_dependency_goes_with_the_last_that_needs_it(installed: Operator) -> None:
    installed.ok("uninstall", "beta")
    assert installed.has() == {}
