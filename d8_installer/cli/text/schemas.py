"""The result of ``manifest schema`` and ``config schema``: the schema as JSON, for a file."""

from __future__ import annotations

import json

from d8_installer.cli.context import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def schema_outcome(schema: Mapping[str, object]) -> Outcome:
    """Return the schema as data and as lines."""
    return Outcome({"json_schema": schema}, json.dumps(schema, indent=2).splitlines())
