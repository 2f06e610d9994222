"""docs/how-to/cluster.md is true: its commands and YAML grant what it says, and the messages that it explains exist."""

from __future__ import annotations

import re
import shlex
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tests import command
from tests.cluster import faults
from tests.cluster.rights import CLI_DOWNLOAD, LIST_PODS, READ_CONFIG_MAP, READ_INGRESS
from tests.registry.clients import closed_port
from tests.registry.servers import Answer, Received
from tests.test_docs import blocks
from tests.typed_pages import Reader, compare, steps_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.deckhouse import Deckhouse
    from tests.cluster.person import Operator

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/how-to/cluster.md"


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


def test_the_first_commands_print_what_the_page_shows(deckhouse: Deckhouse, tmp_path: Path) -> None:
    deckhouse.publish("stronghold", "v1.4.2", "v1.5.0")
    deckhouse.announce()
    person = deckhouse.person(tmp_path / "home")
    person.kubeconfig.rename(person.home / "kubeconfig")
    path = f"{person.bin}:{command.environment(str(person.home))['PATH']}"
    names = {
        "registry-packages-proxy.example.com": deckhouse.front.address,
        "is for registry-packages-proxy,": "is for 127.0.0.1, registry-packages-proxy,",
        "Example CA": f"trustme v{version('trustme')}",
        "https://api.example.com": deckhouse.cluster.server,
        ":anna": f":{person.account}",
    }
    steps = [step for step in steps_of((ROOT / PAGE).read_text()) if step.streams == "both"]
    compare(ROOT / PAGE, steps, Reader(person.home, {"PATH": path}, names))


def rows() -> list[str]:
    """Return a pattern for each message that the page explains."""
    table = (ROOT / PAGE).read_text().partition("## Troubleshooting")[2]
    cells = [row.split(" | ")[0] for row in table.splitlines() if row.startswith("| `")]
    return [_pattern(message) for cell in cells for message in re.findall(r"`([^`]+)`", cell)]


def _pattern(message: str) -> str:
    """Return a message of the page as a pattern: ``…`` is any text, and a stop after a digit another digit."""
    text = re.escape(message).replace("…", ".*")
    return re.sub(r"(?<=[0-9])((?:\\\.)+)", lambda stops: "[0-9]" * (len(stops[1]) // 2), text)


def beside_tags(said: Answer) -> Callable[[Received], Answer | None]:
    """Return an answer for everything but lists of tags."""
    return lambda asked: None if asked.path.endswith("/tags") else said


def test_the_page_explains_the_messages_that_there_are(deckhouse: Deckhouse, tmp_path: Path) -> None:
    seen: set[str] = set()

    def fails(person: Operator, *words: str, **env: str) -> None:
        shutil.rmtree(person.data / "endpoints", ignore_errors=True)
        done = person.run(*(words or ("versions", "alpha")), D8_PATIENCE="2", **env)
        found = {row for row in rows() if re.search(row, done.err)}
        assert done.code and found, done
        seen.update(found)

    cluster = deckhouse.cluster
    person = deckhouse.person(tmp_path / "home")
    fails(person)  # the cluster names no proxy, and nobody may ask its Ingress
    cluster.grant(person.account, READ_INGRESS, LIST_PODS)
    fails(person)
    fails(person, "--context", "nowhere", "versions", "alpha")
    deckhouse.announce(endpoints=[f"127.0.0.1:{closed_port()}"])
    fails(person)
    deckhouse.announce(endpoints=[deckhouse.another_front(upstream=f"http://127.0.0.1:{closed_port()}").address])
    fails(person)
    deckhouse.announce()
    fails(person)
    deckhouse.publish("alpha", "v1.0.0")
    fails(person, "install", "alpha==v9.0.0")
    for answer in (Answer(404, b"404 page not found\n"), Answer(302, headers={"Location": "https://a.example/"})):
        with faults.lying_front(deckhouse.front, beside_tags(answer)) as front:
            deckhouse.announce(endpoints=[front.host])
            fails(person, "install", "alpha")
    deckhouse.announce()
    cluster.take_away(person.account, CLI_DOWNLOAD)
    fails(person)
    ca = tmp_path / "ca.pem"
    ca.write_text(deckhouse.front.ca_pem)
    certificate = cluster.client_certificate("anna")
    person.secrets = [certificate.key]
    for token, shown in (("unknown", None), ("", certificate)):
        cluster.kubeconfig_for(person.kubeconfig, token=token, certificate=shown)
        fails(person, "--endpoint", deckhouse.front.url, "--ca-file", str(ca), "versions", "alpha")
        fails(person)
    cluster.kubeconfig_for(person.kubeconfig, token="unknown", server=f"https://127.0.0.1:{closed_port()}")
    fails(person)
    person.kubeconfig.unlink()
    person.allowed.clear()
    fails(person)
    assert [row for row in rows() if row not in seen] == []
