"""docs/cluster.md is true: its commands and its YAML grant what it says, and the messages that it explains exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tests import command
from tests.cluster.rights import READ_CONFIG_MAP
from tests.test_docs import blocks

if TYPE_CHECKING:
    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/cluster.md"


def certified(deckhouse: Deckhouse, home: Path, user: str, group: str = "") -> Operator:
    """Return somebody whom the API server knows by a client certificate, without any right."""
    front = deckhouse.another_front(client_ca=True)
    deckhouse.announce(endpoints=[front.address])
    person = deckhouse.person(home, [])
    certificate = deckhouse.cluster.client_certificate(user, group)
    deckhouse.cluster.kubeconfig_for(person.kubeconfig, certificate=certificate)
    person.secrets = [certificate.key]
    return person


def rights_of(person: Operator, code: int = 0) -> dict[str, bool]:
    found = person.json("doctor", code=code)["cluster"]["rights"]
    return {one["right"].partition(" in ")[0]: one["allowed"] for one in found}


def test_the_commands_grant_what_the_page_says(deckhouse: Deckhouse, tmp_path: Path) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    person = certified(deckhouse, tmp_path / "home", "anna")
    assert not any(rights_of(person, code=1).values())
    granting, asking = blocks(PAGE, "sh")
    deckhouse.as_administrator([shlex.split(line) for line in granting.splitlines()], tmp_path)
    allowed = rights_of(person, code=1)  # nothing leads to the proxy: neither the ConfigMap nor an Ingress
    assert {right for right, is_allowed in allowed.items() if not is_allowed} == {
        "get configmaps/registry-packages-proxy-config",
        "get httproutes.gateway.networking.k8s.io/registry-packages-proxy",
        "list pods",
    }
    deckhouse.cluster.grant_user("anna", READ_CONFIG_MAP)
    person.ok("install", "alpha")
    words = [deckhouse.cluster.tools.kubectl, f"--kubeconfig={person.kubeconfig}", *shlex.split(asking)[1:]]
    assert command.ended(words, home=str(tmp_path)).out == "yes\n"


def test_the_yaml_grants_everything(deckhouse: Deckhouse, tmp_path: Path) -> None:
    deckhouse.publish("alpha", "v1.0.0")
    person = certified(deckhouse, tmp_path / "home", "otto", "developers")
    (text,) = blocks(PAGE, "yaml")
    for number, document in enumerate(text.split("---\n")):
        file = tmp_path / f"{number}.yaml"
        file.write_text(document)
        deckhouse.as_administrator([["kubectl", "apply", "-f", str(file)]], tmp_path)
    assert [right for right, is_allowed in rights_of(person).items() if not is_allowed] == ["list pods"]
    person.ok("install", "alpha")


def test_the_messages_of_the_table_are_in_the_code() -> None:
    table = (ROOT / PAGE).read_text().partition("## Troubleshooting")[2]
    code = " ".join(
        re.sub(r'"\s*\n\s*f?"', "", file.read_text()).replace("{kind}", "token")
        for file in sorted((ROOT / "d8_installer").rglob("*.py"))
    )
    messages = [
        cell
        for row in table.splitlines()
        if row.startswith("| `")
        for cell in re.findall(r"`([^`]+)`", row.split(" | ")[0])
    ]
    assert len(messages) > 12
    for message in messages:
        pieces = [piece.strip(" ,") for piece in re.split(r"…|\(status [0-9.]+\)|, status [0-9]+\)|\(user", message)]
        for piece in filter(lambda piece: len(piece) > 3, pieces):
            assert re.sub(r"\d\.+$", "", piece).strip() in code, piece
