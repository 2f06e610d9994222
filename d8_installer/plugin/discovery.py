"""Finds plugins in environments by reading text: no foreign Python starts, and nothing of a plugin is imported.

A plugin is a distribution whose ``entry_points.txt`` names its manifest. All that is read is hostile: sizes are capped,
names pass their grammar, and a manifest counts only if the distribution's own RECORD vouches for its bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.manifest import MAX_MANIFEST_TOML, Manifest
from d8_installer.model.plurals import sized
from d8_installer.model.value import Struct, field, replace
from d8_installer.plugin.dist_info import MAX_RECORD, claims, is_administrators, promised, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from d8_installer.model.requirement import Request
    from d8_installer.plugin.environments import Environment

MANIFESTS = "d8_installer.manifests"
"""The entry point group of manifests; its values are ``package:d8.toml``."""
HOOKS = "d8_installer.hooks"
VERIFIERS = "d8_installer.verifiers"
"""The groups of code; a plugin in VERIFIERS is known to verify before it is imported."""

_ITS_AUTHOR = "tell the plugin's author, or uninstall it"
_OUR_GROUPS = b"d8_installer."
_MAX_ENTRY_POINTS = 1 << 20
_MAX_METADATA = 8 << 20
_MAX_SMALL = 1 << 16
_EXTRA = "extra_metadata/d8.toml"
_DIST_INFO = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?)-([A-Za-z0-9.!+_]{1,128})\.dist-info")
_VALUE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*:\s*([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})", re.ASCII)
_RUN = re.compile(r"[-_.]+")


class Distribution(Struct, frozen=True, kw_only=True):
    """One installed distribution that names us in its entry points.

    ``name`` is normalised as PyPA does; ``directory`` its ``.dist-info``; ``groups`` our groups: entry name to value.
    ``problem``: why it does not count as the distribution that it says it is, or ""; ``way_out``: what to do then.
    """

    name: str
    version: str
    environment: Environment
    library: str
    directory: str
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    problem: str = ""
    way_out: str = ""


class DiscoveredPlugin(Struct, frozen=True, kw_only=True):
    """A plugin whose manifest was read; ``editable``: its manifest is not vouched for by a RECORD."""

    distribution: Distribution
    file: str
    manifest: Manifest
    editable: bool = False

    @property
    def name(self) -> str:
        """The requester's name."""
        return self.distribution.name


class BrokenPlugin(Struct, frozen=True):
    """A plugin whose manifest cannot be used, and why."""

    distribution: Distribution
    error: DocumentError


class Scan(Struct, frozen=True):
    """What the environments hold, in their order; ``distributions`` are all that name one of our groups."""

    distributions: tuple[Distribution, ...] = ()
    plugins: tuple[DiscoveredPlugin, ...] = ()
    broken: tuple[BrokenPlugin, ...] = ()


def normalised(name: str) -> str:
    """Return a distribution's name as PyPA compares names: lower case, each run of ``-_.`` one dash."""
    return _RUN.sub("-", name).lower()


def scan(found: Iterable[Environment]) -> Scan:
    """Read every environment; what cannot be read is not a plugin, what is a broken one is named."""
    distributions, plugins, broken = [], [], []
    for environment in found:
        for distribution in _distributions(environment):
            distributions.append(distribution)
            if MANIFESTS not in distribution.groups:
                continue
            try:
                plugins.append(_plugin(distribution))
            except DocumentError as error:
                broken.append(BrokenPlugin(distribution, error.within(hint=error.hint or _ITS_AUTHOR)))
            except (OSError, ValueError, RecursionError) as error:
                odd = _refused(distribution.directory, f"cannot be read: {type(error).__name__}: {str(error)[:200]}")
                broken.append(BrokenPlugin(distribution, odd))
    return Scan(tuple(distributions), tuple(plugins), tuple(broken))


def _distributions(environment: Environment) -> list[Distribution]:
    """Return the environment's distributions that name us; of one name in several libraries the first that counts.

    The libraries are in the order of the environment's ``sys.path``, so that is the one which Python would import.
    """
    listed = [(library, name) for library in environment.libraries for name in _infos(library)]
    found = [distribution for library, name in listed for distribution in _distribution(environment, library, name)]
    judged = _judged(found, listed) if found else []
    counting: dict[str, str] = {}
    for distribution in judged:
        if not distribution.problem:
            counting.setdefault(distribution.name, distribution.library)
    return [d for d in judged if d.problem or counting[d.name] == d.library]


def _infos(library: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(library) if name.endswith(".dist-info"))
    except OSError:
        return []


def _distribution(environment: Environment, library: str, name: str) -> Iterator[Distribution]:
    directory = os.path.join(library, name)
    raw = read_file(os.path.join(directory, "entry_points.txt"), _MAX_ENTRY_POINTS)
    match = _DIST_INFO.fullmatch(name) if raw is not None and _OUR_GROUPS in raw else None
    if raw is not None and match is not None:
        groups = _our_groups(raw.decode("utf-8", "replace"))
        if groups:
            yield Distribution(
                name=normalised(match[1]),
                version=match[2],
                environment=environment,
                library=library,
                directory=directory,
                groups=groups,
            )


# -- whose a .dist-info is ---------------------------------------------------------------------------------------------


def _judged(found: list[Distribution], listed: list[tuple[str, str]]) -> list[Distribution]:
    """Return *found* with the problem of each that does not count.

    A ``.dist-info`` counts if no other RECORD lists a file of it, and without a RECORD of its own only if it is the
    administrator's. INSTALLER proves nothing: whoever plants a directory can plant that file.
    """
    twins = {d.directory: _twins(d, listed) for d in found}
    claimed = claims([*dict.fromkeys([*twins, *(t for group in twins.values() for t in group)])], listed)
    return [
        replace(d, problem=_problem(d, twins[d.directory], claimed), way_out=_way_out(d, claimed.get(d.directory)))
        for d in found
    ]


def _way_out(distribution: Distribution, record: str | None) -> str:
    """Return what to do where another distribution's *record* claims this one: that other one has to go."""
    match = _DIST_INFO.fullmatch(os.path.basename(os.path.dirname(record))) if record is not None else None
    if match is None:
        return ""
    name = distribution.name
    return f"uninstall {normalised(match[1])}, which claims the files of {name}; then reinstall {name} if you want it"


def _problem(distribution: Distribution, twins: Iterable[str], claimed: Mapping[str, str]) -> str:
    if os.path.islink(distribution.directory):
        return "is a symbolic link, so it is not a distribution's own"
    by = claimed.get(distribution.directory)
    if by is not None:
        return f"is not {distribution.name}'s own: {by} lists its files, or cannot be read"
    others = [twin for twin in twins if twin not in claimed]
    if others:
        return f"says that it is {distribution.name}, and so does {others[0]}"
    called = _name_in_metadata(distribution.directory)
    if called is not None and normalised(called) != distribution.name:
        return f"says in METADATA that it is {called[:100]!r}"
    has_record = os.path.lexists(os.path.join(distribution.directory, "RECORD"))
    if has_record or _is_editable(distribution) or is_administrators(distribution.directory):
        return ""
    return "has no RECORD, which only the system's own package manager may leave out (root owns what it installs)"


def _twins(distribution: Distribution, listed: Iterable[tuple[str, str]]) -> list[str]:
    """Return the other ``.dist-info`` of its name in its library; one without any metadata is a leftover."""
    twins = []
    for library, name in listed:
        directory = os.path.join(library, name)
        match = _DIST_INFO.fullmatch(name)
        if match is None or library != distribution.library or directory == distribution.directory:
            continue
        if normalised(match[1]) == distribution.name and _has_metadata(directory):
            twins.append(directory)
    return twins


def _has_metadata(directory: str) -> bool:
    return any(os.path.lexists(os.path.join(directory, file)) for file in ("METADATA", "RECORD"))


def _name_in_metadata(directory: str) -> str | None:
    """Return the ``Name`` of METADATA (core metadata), or None where there is no such file or line."""
    raw = read_file(os.path.join(directory, "METADATA"), _MAX_METADATA) or b""
    for line in raw.decode("utf-8", "replace").splitlines():
        if not line:
            break
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() == "name":
            return value.strip()
    return None


def _our_groups(text: str) -> dict[str, dict[str, str]]:
    """Read the groups that are ours of an ``entry_points.txt`` (PyPA entry points specification)."""
    groups: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
            current = groups.setdefault(group, {}) if group in {MANIFESTS, HOOKS, VERIFIERS} else None
        elif current is not None and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            current[name.strip()] = value.strip()
    return {group: entries for group, entries in groups.items() if entries}


def _plugin(distribution: Distribution) -> DiscoveredPlugin:
    if distribution.problem:
        raise _refused(distribution.directory, distribution.problem, hint=distribution.way_out or None)
    editable = _is_editable(distribution)
    requests: dict[str, Request] = {}
    file = ""
    for value in distribution.groups[MANIFESTS].values():
        file, raw = _manifest(distribution, value, editable=editable)
        for request in Manifest.parse_plugins(raw, file).requests:
            if requests.setdefault(str(request.name), request) is not request:
                raise _refused(file, f"asks for {request.name}, and another manifest of {distribution.name} does too")
    return DiscoveredPlugin(
        distribution=distribution, file=file, manifest=Manifest(tuple(requests.values())), editable=editable
    )


def _manifest(distribution: Distribution, value: str, *, editable: bool) -> tuple[str, bytes]:
    """Return the manifest that an entry point's value means, and its bytes."""
    match = _VALUE.fullmatch(value)
    if match is None:
        where = os.path.join(distribution.directory, "entry_points.txt")
        raise _refused(where, f"names {value[:100]!r}, which is not PACKAGE:FILE", hint="such as d8_plug_vault:d8.toml")
    inside = f"{match[1].replace('.', '/')}/{match[2]}"
    if editable:
        return _editable_manifest(distribution, inside)
    record = read_file(os.path.join(distribution.directory, "RECORD"), MAX_RECORD)
    if record is None:
        return _administrators_manifest(distribution, inside)
    for path in (inside, f"{os.path.basename(distribution.directory)}/{_EXTRA}"):
        said = promised(record, path)
        if said is not None:
            file = os.path.join(distribution.library, *path.split("/"))
            return file, _proven(file, said)
    raise _refused(
        os.path.join(distribution.directory, "RECORD"),
        f"does not list {inside}, so that manifest is not {distribution.name}'s own",
    )


def _administrators_manifest(distribution: Distribution, inside: str) -> tuple[str, bytes]:
    """Return the manifest of a distribution without RECORD (Debian's): its owner vouches for it."""
    record = os.path.join(distribution.directory, "RECORD")
    file = os.path.join(distribution.library, *inside.split("/"))
    if os.path.lexists(record) or not is_administrators(distribution.directory, file):
        raise _refused(record, "is missing or far too large")
    return file, _bytes_of(file)


def _proven(file: str, promised: str) -> bytes:
    raw = _bytes_of(file)
    algorithm, _, encoded = promised.partition("=")
    if algorithm not in {"sha256", "sha384", "sha512"}:
        raise _refused(file, f"has no sha256 in its RECORD, but {promised[:20]!r}")
    digest = hashlib.new(algorithm, raw).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != encoded.rstrip("="):
        raise _refused(file, "is not the file that was installed: its RECORD has another hash")
    return raw


# -- editable installs: their files are a person's work tree, which no RECORD vouches for ------------------------------


def _is_editable(distribution: Distribution) -> bool:
    info = _direct_url(distribution).get("dir_info")
    return isinstance(info, dict) and info.get("editable") is True


def _direct_url(distribution: Distribution) -> dict[str, object]:
    """Read ``direct_url.json`` (PyPA direct URL origin); a damaged one counts as none."""
    raw = read_file(os.path.join(distribution.directory, "direct_url.json"), _MAX_SMALL)
    try:
        document = json.loads(raw) if raw is not None else {}
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _editable_manifest(distribution: Distribution, inside: str) -> tuple[str, bytes]:
    candidates = [os.path.join(distribution.directory, *_EXTRA.split("/"))]
    candidates += [os.path.join(base, *inside.split("/")) for base in _work_trees(distribution)]
    for file in candidates:
        if os.path.isfile(file):
            _refuse_anothers(file)
            return file, _bytes_of(file)
    raise _refused(distribution.directory, f"is an editable install, and {inside} is nowhere in its work tree")


def _refuse_anothers(file: str) -> None:
    """Any wheel can call itself editable: a work tree is one's own, or the administrator's."""
    if hasattr(os, "geteuid"):
        for path in (file, os.path.dirname(file)):
            if os.stat(path).st_uid not in {os.geteuid(), 0}:
                raise _refused(path, "belongs to another user, so it is no work tree of yours")


def _work_trees(distribution: Distribution) -> Iterator[str]:
    """Yield the directories that an editable install imports from: its own ``.pth`` files' paths, then its source."""
    record = read_file(os.path.join(distribution.directory, "RECORD"), MAX_RECORD) or b""
    for line in record.decode("utf-8", "replace").splitlines():
        name = line.split(",")[0].strip('"')
        if name.endswith(".pth") and "/" not in name:
            raw = read_file(os.path.join(distribution.library, name), _MAX_SMALL) or b""
            for path in raw.decode("utf-8", "replace").splitlines():
                if path and not path.startswith(("import ", "import\t", "#")):
                    yield os.path.join(distribution.library, path.strip())
    url = _direct_url(distribution).get("url")
    if isinstance(url, str) and url.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        source = unquote(urlsplit(url).path)
        yield from (source, os.path.join(source, "src"))


# -- reading -------------------------------------------------------------------------------------------------


def _bytes_of(file: str) -> bytes:
    raw = read_file(file, MAX_MANIFEST_TOML)
    if raw is None:
        raise _refused(file, f"is missing, no regular file, or has more than {sized(MAX_MANIFEST_TOML)}")
    return raw


def _refused(file: str, problem: str, *, hint: str | None = None) -> DocumentError:
    return DocumentError(problem, file=file, hint=hint or _ITS_AUTHOR, about_file=True)
