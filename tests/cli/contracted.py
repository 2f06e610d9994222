"""Somebody whose images carry contracts, and who checks them against files of facts: no cluster is needed for that."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from d8_installer.model.facts import ClusterFacts, ModuleFact
from tests import images
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

UNCHECKED = "requirements not checked: "


def requiring(
    *,
    kubernetes: str = "",
    deckhouse: str = "",
    modules: Mapping[str, object] | None = None,
    plugins: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return a contract with these requirements, in the words of its document."""
    return {
        "requirements": {
            "kubernetes": {"constraint": kubernetes},
            "deckhouse": {"constraint": deckhouse},
            "modules": modules or {},
            "plugins": plugins or {},
        }
    }


def members(*names: str) -> list[dict[str, str]]:
    """Return modules or plugins as a contract lists them; ``NAME RANGE`` is one with a range."""
    return [{"name": name, "constraint": constraint} for name, _, constraint in (one.partition(" ") for one in names)]


def group(name: str, *modules: str) -> list[dict[str, Any]]:
    """Return one group of modules."""
    return [{"name": name, "modules": members(*modules)}]


class ContractedPerson(Person):
    """A HOME and a directory of images, some with contracts."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "home", directory / "images")

    def publish_with(self, name: str, tag: str, contract: Mapping[str, Any] | str) -> None:
        """Publish a version with a contract; a text may be anything."""
        text = contract if isinstance(contract, str) else json.dumps(contract)
        annotation = base64.b64encode(text.encode()).decode()
        built = images.executables(f"{name} {tag}", images.host_platform())
        images.add_image(str(self.source), name, tag, built, annotations={"contract": annotation})

    def facts(
        self,
        kubernetes: str | None = "v1.31.4",
        deckhouse: str | None = "v1.77.0",
        modules: Sequence[str] = (),
        file: str = "facts.json",
    ) -> str:
        """Write a file of facts and return its name. A module is ``NAME VERSION`` and enabled, or ``-NAME``."""
        found = {}
        for text in modules:
            name, _, version = text.partition(" ")
            found[name.removeprefix("-")] = ModuleFact(not name.startswith("-"), version or None)
        kinds: Any = frozenset(["kubernetes", "deckhouse", "modules"])
        facts = ClusterFacts(kinds=kinds, kubernetes=kubernetes, deckhouse=deckhouse, modules=found, cluster="test")
        (self.home / file).write_text(facts.render())
        return file

    def state(self) -> dict[str, bytes]:
        """Return what a command that fails leaves as it was: documents, generations, stored files."""
        places = (self.data / "profiles", self.data / "store", self.manifest.parent, self.home / "project")
        files = (path for place in places for path in place.rglob("*"))
        return {str(path): path.read_bytes() for path in files if path.is_file() and not path.name.endswith("mutex")}
