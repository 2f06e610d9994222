"""The keys of ``d8.lock``: a lock with all of them, as the code writes it, and what ``lock.toml`` says about each."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock, LockedImage, Pin
from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName
from docs.generate.markdown import code, table

_MEANINGS = Path(__file__).with_name("lock.toml")


def keys_of_lock() -> str:
    """Return a lock as it is written, and the tables of its keys."""
    text = _sample().render()
    meanings: dict[str, dict[str, str]] = tomllib.loads(_MEANINGS.read_text(encoding="utf-8"))
    document: dict[str, Any] = tomllib.loads(text)
    (image,) = document["images"]
    heads = {"top": "At the top:", "image": "In each `[[images]]`:", "pin": "In each `[images.platforms.OS-ARCH]`:"}
    present = {
        "top": [key for key in document if key != "images"],
        "image": [*image],
        "pin": [*image["platforms"]["linux-amd64"]],
    }
    parts = [f"```text\n{_with_short_digests(text)}```"]
    for kind, head in heads.items():
        rows = [[code(key), meanings[kind].pop(key)] for key in present[kind]]
        parts += [head, table(["key", "means"], rows)]
    if any(meanings.values()):
        raise KeyError(f"no lock has the keys {meanings} of {_MEANINGS.name}")
    return "\n\n".join(parts)


def _sample() -> Lock:
    pin = Pin(child=Digest.of(b"child"), layer=Digest.of(b"layer"), size=12_345_678)
    return Lock.of(
        [
            LockedImage(
                name=ImageName("stronghold"),
                version="v1.4.2",
                index=Digest.of(b"index"),
                binaries=(("d8-stronghold", "plugin"),),
                requests=(("d8.toml", Digest.of(b"request")),),
                platforms=(("darwin-arm64", pin), ("linux-amd64", pin)),
                optional=True,
                demanded=(Platform("linux", "amd64"),),
                contract=Digest.of(b"contract"),
                needs=(("alpha", ">=1.1, <2"),),
                needs_if_present=(("gamma", "^2"),),
            )
        ]
    )


def _with_short_digests(text: str) -> str:
    """Return *text* with the digests cut, so that its lines are short."""
    for name in (b"child", b"layer", b"index", b"request", b"contract"):
        digest = Digest.of(name)
        text = text.replace(digest.hex, f"{digest.short}…")
    return text
