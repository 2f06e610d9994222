"""The routes of ``proxy serve``, from ``registry/rpp_routes.py``, and its refusals, from ``proxy/answers.py``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from d8_installer.proxy import answers
from d8_installer.proxy.answers import Answer
from d8_installer.registry.rpp_routes import PREFIX, Action, parse_path
from docs.generate.markdown import code, table

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEANINGS = Path(__file__).with_name("proxy.toml")
_BELOW = {"tags": "tags", "image": "images/VERSION", "manifest": "manifests/REF"}


class UndescribedRouteError(Exception):
    """The code and ``proxy.toml`` do not have the same routes or answers."""


def routes() -> str:
    """Return the table of the routes."""
    told: dict[str, str] = tomllib.loads(_MEANINGS.read_text(encoding="utf-8"))["routes"]
    rows = []
    for action in get_args(Action):
        path = f"{PREFIX}IMAGE/{_BELOW[action]}"
        route = parse_path(path)
        if route is None or route.action != action:
            raise UndescribedRouteError(path)
        rows.append([code(f"{'GET, HEAD' if action == 'image' else 'GET'} {path}"), told[action]])
    return table(["request", "answer"], [*rows, [code("GET /healthz"), told["healthz"]]])


def refusals() -> str:
    """Return the table of the answers that are not 200."""
    told: dict[str, str] = tomllib.loads(_MEANINGS.read_text(encoding="utf-8"))["answers"]
    found = {answer.body.decode().rstrip("\n"): answer.status for answer in _answers() if answer.status != 200}
    if found.keys() != told.keys():
        raise UndescribedRouteError(f"{_MEANINGS.name} differs in {found.keys() ^ told.keys()}")
    rows = [[str(found[body]), code(body), told[body]] for body in sorted(told, key=lambda body: found[body])]
    return table(["status", "body", "means"], rows)


def _answers() -> Iterator[Answer]:
    """Yield the answers that the module has: each alone, or by the step that failed."""
    for value in vars(answers).values():
        if isinstance(value, Answer):
            yield value
        elif isinstance(value, dict):
            yield from (each for each in value.values() if isinstance(each, Answer))
