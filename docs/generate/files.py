"""The paths of a home and of a profile, from the properties and methods that name them in ``store/paths.py``."""

from __future__ import annotations

import inspect

from d8_installer.store.paths import Home, ProfilePaths
from docs.generate.markdown import code, from_docstring, table


def paths_of_home() -> str:
    """Return the table of the paths in a home."""
    return _table_of(Home("/"))


def paths_of_profile() -> str:
    """Return the table of the paths in a profile's directory."""
    return _table_of(ProfilePaths("/"))


def _table_of(paths: Home | ProfilePaths) -> str:
    """Return a row for each path; a part that differs is written ``<like-this>``."""
    rows = {}
    for name, member in vars(type(paths)).items():
        if isinstance(member, property):
            value: object = getattr(paths, name)
        elif inspect.isfunction(member) and not name.startswith("_"):
            parameters = [*inspect.signature(member).parameters][1:]
            value = member(paths, *(f"<{parameter.replace('_', '-')}>" for parameter in parameters))
        else:
            continue
        path = value.root if isinstance(value, ProfilePaths) else str(value)
        rows[path.lstrip("/")] = (inspect.getdoc(member) or "").partition("\n\n")[0]
    return table(["path", "what it is"], [[code(path), from_docstring(rows[path])] for path in sorted(rows)])
