"""``login`` where the cluster names the endpoint: the token is for that cluster's endpoint, and for no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.cluster import PEOPLE
from tests.cluster.rights import CLI_DOWNLOAD, READ_CONFIG_MAP, READ_INGRESS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.deckhouse import Deckhouse


def test_a_login_comes_before_the_kubeconfig_and_is_for_this_cluster(deckhouse: Deckhouse, tmp_path: Path) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    deckhouse.announce()
    person = deckhouse.person(tmp_path / "home", [CLI_DOWNLOAD, READ_CONFIG_MAP, READ_INGRESS])
    other = deckhouse.person(tmp_path / "other", [CLI_DOWNLOAD])
    token, ca = tmp_path / "token", tmp_path / "ca.pem"
    token.write_text(other.token)
    ca.write_text(deckhouse.front.ca_pem)
    person.allowed |= {person.manifest.parent / "logins.json"}
    person.secrets.append(other.token)

    def user() -> str | None:
        person.ok("versions", "alpha")
        return deckhouse.front.asked[-1].user

    mine, theirs = (f"system:serviceaccount:{PEOPLE}:{one.account}" for one in (person, other))
    assert user() == mine
    person.ok("login", "--token-file", str(token))
    assert user() == theirs
    assert "(token from your login)" in person.run("doctor").out
    person.ok("logout")
    assert user() == mine
    named = ("--endpoint", deckhouse.front.url, "--ca-file", str(ca))
    person.ok("login", *named, "--token-file", str(token))
    assert user() == mine, "it was kept for an address with another CA than the one that this cluster publishes"
    person.ok(*named, "versions", "alpha")
    assert deckhouse.front.asked[-1].user == theirs
