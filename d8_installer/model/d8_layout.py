"""Where the Go tool keeps what it installs, and the record of what d8-installer put there. Paths only, no I/O.

    <directory>/plugins/<name>/v<major>/<name>   the executable, 0755 (rpp.md §10)
    <directory>/plugins/<name>/current           an absolute link to it
    <directory>/plugins/<name>/install.lock      exists while somebody changes the plugin
    <directory>/cache/contracts/<name>.json      its contract
    ~/.deckhouse-cli/cli/versions/<tag>/d8       the executable of deckhouse-cli (rpp.md §13)
    ~/.deckhouse-cli/cli/current                 a relative link to it

A content is written as text: ``sha256:…`` for a file with these bytes, ``link:…`` for a link with this target.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from d8_installer.errors import DocumentError
from d8_installer.model.checksum import checksum_of
from d8_installer.model.reference import CLI_IMAGE
from d8_installer.model.value import Struct, replace

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_DIRECTORY = "/opt/deckhouse/lib/deckhouse-cli"
HOME_DIRECTORY = ".deckhouse-cli"
"""The directory below HOME that the Go tool takes where it may not make the default one."""
VARIABLE = "DECKHOUSE_CLI_PATH"
SCHEMA = 1
LINK = "link:"

SlotKind = Literal["contract", "executable", "current"]


class LayoutFile(Struct, frozen=True, kw_only=True):
    """A file that the layout is to have: for which image, where it is staged, and under which lock it is changed."""

    image: str
    version: str
    kind: SlotKind
    path: str
    stage: str
    lock: str
    content: str


class OwnFile(Struct, frozen=True, kw_only=True):
    """A file that d8-installer put there: it has one of *contents*, if nobody else has replaced it.

    ``state`` are its time, size and mode when it was last seen to have the last of them.
    """

    image: str
    path: str
    stage: str
    lock: str
    contents: tuple[str, ...]
    state: tuple[int, ...] | None = None

    @property
    def directories(self) -> Iterator[str]:
        """The directories that may be empty once the file is removed, the deepest first: those below the lock's."""
        top = self.lock.rpartition("/")[0]
        above = self.path.rpartition("/")[0]
        while above.startswith(f"{top}/"):
            yield above
            above = above.rpartition("/")[0]


class LayoutRecord(Struct, frozen=True, kw_only=True):
    """What d8-installer keeps beside the Go tool. Unless it ``is_done``, a command was cut while it changed that."""

    directory: str
    files: tuple[OwnFile, ...] = ()
    is_done: bool = True

    def find(self, path: str) -> OwnFile | None:
        """Return the file at *path*, or None."""
        return next((one for one in self.files if one.path == path), None)

    def render(self) -> str:
        """Return the text of ``layout.json``."""
        files = [
            {
                "image": one.image,
                "path": one.path,
                "stage": one.stage,
                "lock": one.lock,
                "contents": list(one.contents),
                "state": None if one.state is None else list(one.state),
            }
            for one in self.files
        ]
        document = {"schema": SCHEMA, "directory": self.directory, "done": self.is_done, "files": files}
        return json.dumps({**document, "mark": checksum_of(document)}, indent=1) + "\n"

    @classmethod
    def parse(cls, raw: bytes, file: str) -> LayoutRecord:
        """Read ``layout.json``; anything that this tool did not write is a DocumentError."""
        try:
            document = json.loads(raw)
            mark = document.pop("mark")
            if mark != checksum_of(document) or document["schema"] != SCHEMA:
                raise ValueError("the checksum or the schema differs")
            return cls(
                directory=str(document["directory"]),
                files=tuple(_own_file(entry) for entry in document["files"]),
                is_done=bool(document["done"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DocumentError(
                "is damaged",
                file=file,
                hint="remove it, then type `d8-installer sync --layout d8`, which knows its files again by their bytes",
                about_file=True,
                code="damaged-state",
            ) from error


def _own_file(entry: dict[str, object]) -> OwnFile:
    contents, state = entry["contents"], entry["state"]
    if not isinstance(contents, list) or not (state is None or isinstance(state, list)):
        raise TypeError("not a record of this tool")
    return OwnFile(
        image=str(entry["image"]),
        path=str(entry["path"]),
        stage=str(entry["stage"]),
        lock=str(entry["lock"]),
        contents=tuple(map(str, contents)),
        state=None if state is None else tuple(map(int, state)),
    )


def plugin_files(
    directory: str, name: str, version: str, major: int, *, executable: str, contract: str | None
) -> Iterator[LayoutFile]:
    """Yield the files of a plugin in the order in which they are put: a new program never runs by an old contract.

    *executable* and *contract* are the contents. The contract is staged outside its directory, where the Go tool takes
    every file for a contract (rpp.md §16, 16).
    """
    top = f"{directory}/plugins/{name}"
    path = f"{top}/v{major}/{name}"
    common = LayoutFile(
        image=name,
        version=version,
        kind="executable",
        path=path,
        stage=f"{path}.new",
        lock=f"{top}/install.lock",
        content=executable,
    )
    if contract is not None:
        kept, stage = f"{directory}/cache/contracts/{name}.json", f"{directory}/cache/{name}.json.new"
        yield replace(common, kind="contract", path=kept, stage=stage, content=contract)
    yield common
    link = f"{top}/current"
    yield replace(common, kind="current", path=link, stage=f"{link}.new", content=f"{LINK}{path}")


def cli_files(home: str, version: str, *, executable: str) -> Iterator[LayoutFile]:
    """Yield the files of deckhouse-cli itself; *home* is HOME. It has no contract."""
    top = f"{home}/{HOME_DIRECTORY}/cli"
    below = f"versions/{version}/d8"
    common = LayoutFile(
        image=CLI_IMAGE,
        version=version,
        kind="executable",
        path=f"{top}/{below}",
        stage=f"{top}/{below}.staged",
        lock=f"{top}/install.lock",
        content=executable,
    )
    yield common
    link = f"{top}/current"
    yield replace(common, kind="current", path=link, stage=f"{link}.staged", content=f"{LINK}{below}")
