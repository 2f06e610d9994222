"""The names that a completion script asks for: installed ones, known ones, settings, error codes, platforms.

A person has just pressed Tab and waits, so this is quick: no network, no lock, nothing third-party. An error is not
shown, and completes nothing.
"""

from __future__ import annotations

import json
import os
import re
import sys

from d8_installer.errors import D8Error
from d8_installer.pipeline.profile_choice import ProfileChoice
from d8_installer.store import fs
from d8_installer.store.switch import switch_for_this_system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from d8_installer.cli.verb import Verb
    from d8_installer.model.profile import Profile, ProfileKind
    from d8_installer.store.paths import Home, ProfilePaths

PLATFORMS = ("darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64", "windows-amd64", "windows-arm64")
_KINDS: Mapping[str, ProfileKind] = {"--user": "user", "--project": "project", "--global": "system"}
_LIMIT = 16 << 20
_NAME_LINE = re.compile(r"""^\s*name\s*=\s*["']([a-z0-9][a-z0-9./_-]*)["']""", re.MULTILINE)
_SOURCE_LINE = re.compile(r"""["']?((?:oci-layout|bundle):[^"',\s]+)""")
_ERRORS = (D8Error, ValueError, LookupError, TypeError, OSError)


class Names:
    """The names that may follow *words*, by the profile and the sources that they select. ``verb`` is the command."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], directory: str) -> None:
        home, kind, self._sources, there = _options(words)
        self.environ = environ
        self.directory = os.path.join(directory, there)
        self.verb: Verb | None = None
        self._choice = ProfileChoice(home=home, kind=kind, environ=environ, directory=self.directory)

    def of(self, kind: str, before: Sequence[str], current: str, *, is_option: bool) -> list[str]:
        """Return the names for a place that the help calls *kind*, after the arguments *before*, sorted."""
        found: Iterable[str] = ()
        if kind in {"OS-ARCH", "P"}:
            found = PLATFORMS
        elif kind == "PLATFORM=PATH":
            found = (f"{platform}=" for platform in PLATFORMS)
        elif kind == "KEY":
            found = _settings()
        elif kind == "ENDPOINT":
            found = _quietly(self._endpoints)
        elif kind == "VERSION":
            found = _quietly(lambda: self._versions(before[0]))
        elif kind == "N" and not is_option:
            found = _quietly(self._generations)
        elif kind.startswith("NAME[") and "@" in current:
            name = current.partition("@")[0]
            found = (f"{name}@{tag}" for tag in _quietly(lambda: self._versions(name)))
        elif kind.startswith("NAME") or kind == "BIN":
            found = self._images(kind, is_option=is_option)
        return sorted(set(found))

    def codes(self) -> list[str]:
        """Return the codes of errors."""
        from d8_installer.cli.troubleshooting import codes

        return codes()

    def values_of(self, key: str) -> list[tuple[str, str]]:
        """Return the values of a setting that has only a few."""
        values = {"cluster_checks": ("auto", "always", "never"), "layout": ("d8",)}
        return [(value, "") for value in values.get(key, ())]

    def _images(self, kind: str, *, is_option: bool) -> list[str]:
        verb = self.verb
        if verb is None or verb.name == "plugins":
            return []
        installed = "images" if is_option or verb.completes is None else verb.completes
        found = _quietly(lambda: self._placed(installed))
        is_open = is_option or verb.completes is None or kind == "NAME[SPEC]"
        return [*found, *(_quietly(self._known) if is_open else ())]

    # -- what this machine knows ---------------------------------------------------------------------------------

    def _home(self) -> Home:
        return self._choice.find_home()

    def _profile(self) -> Profile:
        is_for_user = self.verb is not None and self.verb.is_for_user
        return self._choice.find_profile(self._home, default="user" if is_for_user else None)

    def _paths(self) -> ProfilePaths:
        return self._home().profile(self._profile().directory)

    def _generations(self) -> Iterator[str]:
        yield from filter(str.isdecimal, fs.list_directory(self._paths().generations))

    def _placed(self, kind: str) -> Iterator[str]:
        """Yield the binaries or the images of the active generation."""
        paths = self._paths()
        number = switch_for_this_system().active(paths)
        if number is None:
            return
        if kind == "binaries":
            for name in fs.list_directory(os.path.join(paths.generation(number), "bin")):
                yield name.removesuffix(".exe") if sys.platform == "win32" else name
            return
        record = fs.read(paths.record(number), limit=_LIMIT)
        for row in json.loads(record)["binaries"] if record is not None else ():
            yield _short(row["image"])

    def _known(self) -> Iterator[str]:
        """Yield the images of manifests and locks, of which a tag is remembered, and of sources on this machine."""
        for default in ("user", None):
            profile = self._choice.find_profile(self._home, default=default)
            for path in (profile.manifest, profile.lock):
                yield from map(_short, _NAME_LINE.findall(_text(path)))
        for image, _ in self._tags():
            yield _short(image)

    def _versions(self, name: str) -> Iterator[str]:
        """Yield the tags of one image, as far as this machine knows them."""
        for image, tag in self._tags():
            if _short(image) == name and tag:
                yield tag

    def _tags(self) -> Iterator[tuple[str, str]]:
        """Yield images with their tags: those that are remembered, and those of sources on this machine."""
        from d8_installer.cli.completion.local_sources import tags_of

        remembered = _text(self._home().tags)
        for image, tags in (json.loads(remembered)["tags"] if remembered else {}).items():
            yield from ((image, tag) for tag in tags)
        for source in self._sources or self._configured():
            yield from tags_of(source, self.directory)

    def _configured(self) -> list[str]:
        named = self.environ.get("D8_RPP_ENDPOINT")
        return [named] if named else _SOURCE_LINE.findall(self._settings_text())

    def _settings_text(self) -> str:
        return _text(self._choice.find_config(self._home()))

    def _endpoints(self) -> Iterator[str]:
        """Yield the endpoints for which a token is kept, and the one of the settings."""
        from d8_installer.store.paths import logins_file

        kept = _text(logins_file(self._home(), self._choice.chosen_home, self.environ))
        for row in json.loads(kept)["logins"] if kept else ():
            yield row["origin"].removesuffix(":443")
        yield from re.findall(r"""^endpoint\s*=\s*["'](https?://[^"']+)""", self._settings_text(), re.MULTILINE)


def _options(words: Sequence[str]) -> tuple[str | None, ProfileKind | None, list[str], str]:
    """Return what options say: the home, the kind of profile, the sources, and the directory to work in."""
    home: str | None = None
    kind: ProfileKind | None = None
    sources: list[str] = []
    there = ""
    for number, word in enumerate(words):
        option, equals, value = word.partition("=")
        value = os.path.expanduser(value if equals else "".join(words[number + 1 : number + 2]))
        if option == "--home":
            home = value or None
        elif option in {"--endpoint", "--from"}:
            sources = [value]
        elif option == "-C":
            there = os.path.join(there, value)
        kind = _KINDS.get(word, kind)
    return home, kind, sources, there


def _settings() -> list[str]:
    from d8_installer.model.config import Config
    from d8_installer.model.value import field_names

    return ["owners." if name == "owners" else name for name in field_names(Config)]


def _short(image: str) -> str:
    return image.rpartition("/")[2]


def _text(path: str) -> str:
    return (fs.read(path, limit=_LIMIT) or b"").decode("utf-8", "replace")


def _quietly(names: Callable[[], Iterable[str]]) -> list[str]:
    """Return the names up to the first error: what is broken is reported by commands."""
    found: list[str] = []
    try:
        found.extend(names())
    except _ERRORS:
        return found
    return found
