"""What a registry's token must allow: ``repository:<name>:pull,push`` (distribution's token/scope.md). Values only."""

from __future__ import annotations


def joined_scopes(*scopes: str) -> tuple[str, ...]:
    """Return the union of *scopes*, each of which may hold several separated by spaces: one for each resource.

    A challenge may ask for less than the call needs (Quay: ``pull`` alone for a push), and for other resources as
    well (the repository that a blob is mounted from). Order and spelling of the first mention are kept.
    """
    actions: dict[str, dict[str, None]] = {}
    for scope in " ".join(scopes).split():
        resource, colon, allowed = scope.rpartition(":")
        if colon:
            actions.setdefault(resource, {}).update(dict.fromkeys(filter(None, allowed.split(","))))
    return tuple(f"{resource}:{','.join(allowed)}" for resource, allowed in actions.items())
