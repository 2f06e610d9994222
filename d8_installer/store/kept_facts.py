"""The facts of clusters that are kept for five minutes, so that a checked ``run`` need not ask the cluster each time.

A cluster's facts are in ``facts/<key>.json``; the key is the sha256 of API address, CA and user. Parsing a kubeconfig
to learn the key would cost more than all else that ``run`` does, so ``facts/<name>.found.json`` remembers the key: the
name stands for the paths of the files, the context and the environment, and the file has each kubeconfig's size,
modification time and inode. If one of them differs, the kubeconfigs have to be parsed.

The files are 0600. A file that is damaged, that belongs to another user or that comes from the future counts as none.
The quick way of ``run`` imports this module, so it imports little.
"""

from __future__ import annotations

import os

from d8_installer.store import private_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from d8_installer.model.facts import ClusterFacts
    from d8_installer.store.kubeconfig_choice import KubeconfigChoice
    from d8_installer.store.paths import Home

FRESH_SECONDS = 300
"""How long kept facts count as what the cluster says now."""
_FORGOTTEN_SECONDS = 30 * 24 * 3600
"""After that time a file is removed: of a cluster that is asked no more, nothing needs to stay."""
_MOST_FILES = 64
"""The greatest number of files that stay."""
_CUT_SECONDS = 60
"""After that time a temporary file is known to be the leftover of a killed process."""

FileState = list[int] | None
"""Device, inode, size and modification time of a file; None if it does not exist."""


class KeptFacts:
    """The facts of a cluster, its key, and when the oldest of them was read (seconds since the epoch)."""

    __slots__ = ("facts", "key", "time")

    def __init__(self, key: str, facts: ClusterFacts, time: float) -> None:
        self.key = key
        self.facts = facts
        self.time = time


class SeenKubeconfigs:
    """The kubeconfig files of a choice as they were when this was made: make it before they are parsed."""

    __slots__ = ("name", "states")

    def __init__(self, choice: KubeconfigChoice) -> None:
        self.name = _name(choice)
        self.states = [file_state(file) for file in choice.files]


def save(home: Home, key: str, seen: SeenKubeconfigs, facts: ClusterFacts, now: datetime) -> None:
    """Keep facts that were just read. Kinds that were not read now stay as they were kept.

    Nothing is written into a home that does not exist yet or that another user owns.
    """
    if not is_for_keeping(home):
        return
    _sweep(home, now.timestamp())
    document = private_document.read(home.cluster_facts(key)) or {}
    kinds = _table(document, "kinds")
    kept: dict[str, object] = {"modules": document.get("modules"), "versions": _table(document, "versions")}
    kept = _joined(kept, facts)
    times: dict[str, object] = {**kinds, **dict.fromkeys(sorted(map(str, facts.kinds)), now.timestamp())}
    private_document.write(home.cluster_facts(key), {"cluster": facts.cluster, "kinds": times, **kept})
    remember(home, key, seen)


def remember(home: Home, key: str, seen: SeenKubeconfigs) -> None:
    """Remember that these kubeconfigs lead to the cluster and user of *key*, whose facts are kept."""
    if is_for_keeping(home):
        private_document.write(home.found_facts(seen.name), {"key": key, "files": seen.states})


def is_for_keeping(home: Home) -> bool:
    """Whether the home exists and belongs to this user: nothing is kept elsewhere."""
    return private_document.is_own_directory(home.root) and os.path.isfile(home.schema)


def load(
    home: Home, choice: KubeconfigChoice, now: datetime, *, oldest: float | None = FRESH_SECONDS
) -> KeptFacts | None:
    """Return the kept facts that *choice* leads to, of the kinds that are at most *oldest* seconds old (None: all).

    Neither a kubeconfig nor YAML is parsed. If a kubeconfig has changed, the answer is None, and ``load_by_key`` may
    still find the facts.
    """
    key = found_key(home, SeenKubeconfigs(choice))
    return None if key is None else load_by_key(home, key, now, oldest=oldest)


def load_by_key(home: Home, key: str, now: datetime, *, oldest: float | None = FRESH_SECONDS) -> KeptFacts | None:
    """Return the kept facts of the cluster and user of *key*."""
    document = private_document.read(home.cluster_facts(key))
    times = {} if document is None else _fresh(_table(document, "kinds"), now.timestamp(), oldest)
    if document is None or not times:
        return None
    from d8_installer.model.facts import ClusterFacts, ModuleFact

    versions = _table(document, "versions")
    try:
        facts = ClusterFacts(
            kinds=frozenset(kind for kind in ("kubernetes", "deckhouse", "modules") if kind in times),
            kubernetes=_text(versions.get("kubernetes")),
            deckhouse=_text(versions.get("deckhouse")),
            modules={name: ModuleFact(*_module(value)) for name, value in _table(document, "modules").items()},
            cluster=str(document["cluster"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return KeptFacts(key, facts, min(times.values()))


def found_key(home: Home, seen: SeenKubeconfigs) -> str | None:
    """Return the key that the kubeconfigs led to when they were last parsed, or None if one of them has changed."""
    document = private_document.read(home.found_facts(seen.name))
    if document is None or document.get("files") != seen.states:
        return None
    key = document.get("key")
    return key if isinstance(key, str) and _is_key(key) else None


def state_of(home: Home, key: str) -> FileState:
    """Return the state of the file with the facts of *key*, which is another one once the facts were renewed."""
    return file_state(home.cluster_facts(key))


def forget(home: Home, *, dry_run: bool = False) -> list[str]:
    """Remove all kept facts; return the files that were removed, or would be in a *dry_run*."""
    from d8_installer.store import fs

    files = [path for path, _ in _files(home)]
    for path in files if not dry_run else ():
        fs.remove(path)
    return files


# -- the environment -------------------------------------------------------------------------------------------


def _name(choice: KubeconfigChoice) -> str:
    """Return a name for the choice. It is a hash, since variables may hold the password of a proxy."""
    import hashlib
    import json

    parts = [choice.files, choice.context, choice.variables, choice.insecure]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogateescape")).hexdigest()


def file_state(path: str) -> FileState:
    """Return what shows that a file is still the same one."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]


# -- the documents ---------------------------------------------------------------------------------------------


def _joined(kept: dict[str, object], facts: ClusterFacts) -> dict[str, object]:
    """Return the kept facts with the kinds that were read now in the place of the older ones."""
    read = {"kubernetes": facts.kubernetes, "deckhouse": facts.deckhouse}
    before = kept["versions"] if isinstance(kept["versions"], dict) else {}
    versions = {**before, **{kind: version for kind, version in read.items() if kind in facts.kinds}}
    modules = kept["modules"]
    if "modules" in facts.kinds:
        modules = {name: [module.is_enabled, module.version] for name, module in sorted(facts.modules.items())}
    return {"versions": versions, "modules": modules or {}}


def _fresh(times: dict[str, object], now: float, oldest: float | None) -> dict[str, float]:
    """Return the times that count; one in the future does not, since the clock was set back."""
    return {
        kind: time
        for kind, time in times.items()
        if isinstance(time, (int, float)) and time <= now and (oldest is None or now - time <= oldest)
    }


def _table(document: dict[str, object], key: str) -> dict[str, object]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _module(value: object) -> tuple[bool, str | None]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("not what was written")
    return bool(value[0]), _text(value[1])


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_key(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")


def _files(home: Home) -> Iterator[tuple[str, float]]:
    """Yield the files of kept facts with their modification times."""
    from d8_installer.store import fs

    for name in fs.list_directory(home.facts):
        path = os.path.join(home.facts, name)
        try:
            yield path, os.lstat(path).st_mtime
        except OSError:  # another process has removed it
            continue


def _sweep(home: Home, now: float) -> None:
    """Remove the files that nobody has renewed for long, and all but the newest."""
    from d8_installer.store import fs

    newest_first = sorted(_files(home), key=lambda file: -file[1])
    for place, (path, time) in enumerate(newest_first):
        longest = _CUT_SECONDS if path.endswith(".tmp") else _FORGOTTEN_SECONDS
        if place >= _MOST_FILES or now - time > longest:
            fs.remove(path)
