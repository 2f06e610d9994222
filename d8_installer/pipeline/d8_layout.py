"""Lays the user's binaries out where the Go tool looks for them, and keeps them as the active generation is.

How it works. ``refuse`` looks before anything is fetched: a file of somebody else in the way ends the command (65), and
so does a plugin that the Go tool is changing (75). ``ready`` looks again just before the switch, writes into the record
what is about to be put there, and takes the Go tool's locks. ``lay_out`` puts and takes away the files after the
switch, each by one rename, and writes the final record. A command that is killed in between leaves a record that is not
done; then the next command that writes carries on.

An error until the switch ends the command. After it, it is a warning, unless the layout is what was typed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError, DocumentError, MismatchError
from d8_installer.model.d8_layout import (
    DEFAULT_DIRECTORY,
    HOME_DIRECTORY,
    VARIABLE,
    LayoutRecord,
    cli_files,
    plugin_files,
)
from d8_installer.model.digest import Digest
from d8_installer.model.lock import Lock
from d8_installer.model.reference import CLI_IMAGE, ImageName
from d8_installer.model.shell_words import quoted
from d8_installer.model.value import Struct, replace
from d8_installer.model.version import Version
from d8_installer.pipeline.change import LaidOut
from d8_installer.plan.d8_layout import make_ending, make_layout_plan
from d8_installer.store import d8_layout as files
from d8_installer.store import fs, status
from d8_installer.store.generations import file_name
from d8_installer.store.install_lock import install_lock, refuse_held
from d8_installer.store.paths import home_directory
from d8_installer.store.store import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from d8_installer.model.d8_layout import LayoutFile, OwnFile
    from d8_installer.model.generation import Generation, Placement
    from d8_installer.model.plan import Plan
    from d8_installer.pipeline.profile_access import Workspace
    from d8_installer.pipeline.session import Session
    from d8_installer.plan.d8_layout import LayoutPlan

_UNKNOWN = "not fetched yet"


class _Program(Struct, frozen=True):
    """A binary that is in ``bin``, and its stored executable; None if that is not fetched yet."""

    placement: Placement
    stored: Stored | None


class D8Layout:
    """What one command lays out. It keeps its plan from ``ready`` to ``lay_out``."""

    def __init__(
        self, session: Session, workspace: Workspace, record: LayoutRecord | None, *, ends: bool = False
    ) -> None:
        """With *ends*, everything is taken away."""
        self._session = session
        self._workspace = workspace
        self._record = record
        self._path = workspace.generations.paths.layout
        self._ends = ends or session.scope.options.layout == "none"
        self._directory = (record.directory if record else "") if self._ends else _directory(session, record)
        self._lock = Lock()
        self._wanted: list[LayoutFile] = []
        self._retained: tuple[OwnFile, ...] = ()
        self._stored: dict[str, tuple[Stored, str]] = {}
        self._locks = contextlib.ExitStack()
        self._plan: LayoutPlan | None = None
        self._skipped: set[str] = set()
        self.is_complete = True
        """Whether everything is laid out that is to be."""

    @classmethod
    def of(cls, session: Session, workspace: Workspace, *, ends: bool = False) -> D8Layout:
        """Return the layout of the profile, as it is recorded so far."""
        return cls(session, workspace, files.load_record(workspace.generations.paths.layout), ends=ends)

    # -- looking -------------------------------------------------------------------------------------------------

    def preview(self, plan: Plan, lock: Lock) -> LaidOut | None:
        """Return what would be laid out, for a dry run; refuse what would be refused."""
        self._lock = lock
        made = self._planned(self._programs(plan))
        return None if made.is_empty and not self._ends else self._result(made)

    def refuse(self, plan: Plan, lock: Lock) -> None:
        """Raise DocumentError for a file that is not ours, TryAgainError for a lock that is held.

        *lock* is what the new generation comes from.
        """
        self._lock = lock
        if not self._ends:
            self._directory = _made(self._session, self._directory)
        self._planned(self._programs(plan))
        if self._retained:
            self._session.reporter.note(f"{CLI_IMAGE} stays laid out, because the command d8 on PATH leads to it")

    def _planned(self, programs: Iterable[_Program]) -> LayoutPlan:
        files_by_path: dict[str, LayoutFile] = {}
        for program in sorted(programs, key=lambda one: one.placement.member.strip("/").count("/")):
            for file in self._files(program):
                files_by_path.setdefault(file.path, file)
        wanted = self._wanted = list(files_by_path.values())
        self._retained = self._led_to(wanted)
        before = self._record or LayoutRecord(directory=self._directory)
        before = replace(before, files=tuple(one for one in before.files if one not in self._retained))
        own = before.files
        known = {one.path: one for one in own}
        places = {one.path: one.lock for one in own} | {file.path: file.lock for file in wanted}
        found = {path: files.content_at(path, lock, known.get(path)) for path, lock in places.items()}
        if self._ends:
            made = make_ending(before, found)
        else:
            made = make_layout_plan(wanted, self._directory, before if self._record else None, found)
            if made.foreign:
                raise self._in_the_way(made.foreign)
        for lock in made.locks:
            refuse_held(lock, self._workspace.generations.paths.root, self._now)
        return replace(made, begun=self._with_retained(made.begun), done=self._with_retained(made.done))

    def _led_to(self, wanted: Iterable[LayoutFile]) -> tuple[OwnFile, ...]:
        """Return the files of deckhouse-cli if they are not *wanted*, and the command ``d8`` on PATH leads to them.

        The Go tool makes such a link when it updates itself: without its target the person would have no ``d8``.
        """
        own = () if self._record is None else self._record.files
        files_of_cli = tuple(one for one in own if one.image == CLI_IMAGE)
        if not files_of_cli or any(file.image == CLI_IMAGE for file in wanted):
            return ()
        found = shutil.which("d8", path=self._session.scope.environ.get("PATH", ""))
        leads_there = found is not None and os.path.realpath(found) in {one.path for one in files_of_cli}
        return files_of_cli if leads_there else ()

    def _with_retained(self, record: LayoutRecord) -> LayoutRecord:
        return replace(record, files=(*record.files, *self._retained))

    def _programs(self, plan: Plan) -> list[_Program]:
        if self._ends:
            return []
        store = self._session.store
        return [_Program(p, store.members(p.layer).get(p.member)) for p in plan.target if _is_default(p)]

    def _files(self, program: _Program) -> Iterator[LayoutFile]:
        placement, stored = program.placement, program.stored
        content = _UNKNOWN if stored is None else str(stored.digest)
        if stored is not None:
            self._stored[content] = stored, placement.binary
        name, version = placement.name.short, Version.try_parse(placement.version)
        if name == CLI_IMAGE:
            home = home_directory(self._session.scope.environ)
            yield from cli_files(home, placement.version, executable=content)
        elif version is None:
            self._skip(f"{name} {placement.version} is no SemVer version, so d8 has no place for it: not laid out")
        else:
            image = self._lock.find(placement.name)
            kept = None if image is None or image.contract is None else str(image.contract)
            yield from plugin_files(
                self._directory, name, placement.version, version.major, executable=content, contract=kept
            )

    def _skip(self, why: str) -> None:
        if why not in self._skipped:
            self._skipped.add(why)
            self._session.reporter.note(why)

    def _in_the_way(self, foreign: tuple[str, ...]) -> DocumentError:
        more = f" and {len(foreign) - 1} more files are" if len(foreign) > 1 else " is"
        take_over = f"d8-installer import d8 --plugins-dir {quoted(self._directory)}"
        return DocumentError(
            f"{foreign[0]}{more} in the way: d8-installer did not put that there",
            hint=f"type `{take_over}`, which takes over what d8 installed, or move it away; `d8-installer sync"
            " --layout none` lays nothing out for d8 any more",
            code="foreign-files",
        )

    @property
    def _now(self) -> float:
        return self._session.scope.clock().timestamp()

    @property
    def directory(self) -> str:
        """The directory in which the Go tool looks for its plugins."""
        return self._directory

    def difference(self, active: Generation | None) -> str | None:
        """Return how the layout differs from the *active* generation, or None."""
        try:
            self._lock = self._lock_of(active)
            made = self._planned(_programs_of(active))
        except D8Error as error:
            return error.message
        touched = [*(file.path for file in made.puts), *(one.path for one in made.takes)]
        if touched:
            return f"{touched[0]} is not as in bin"
        return None if made.is_empty else "a command was cut while it laid out"

    # -- changing ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def ready(self, plan: Plan) -> Iterator[None]:
        """Look again, record what is about to be put there, and hold the locks while the context lasts."""
        with self._ready(self._programs(plan)):
            yield

    @contextlib.contextmanager
    def _ready(self, programs: Iterable[_Program]) -> Iterator[None]:
        self._plan = made = self._planned(programs)
        if made.is_empty:
            yield
            return
        files.save_record(self._path, made.begun)
        with self._locks:
            for lock in made.locks:
                held = install_lock(lock, self._workspace.generations.paths.root, self._now)
                self._locks.enter_context(held)
            yield

    def lay_out(self, *, has_switched: bool) -> LaidOut | None:
        """Make the layout what it should be; a failure after a switch is a warning, unless ``--layout`` was typed."""
        made = self._plan
        if made is None or (made.is_empty and made.is_recorded and not self._ends):
            return None
        try:
            self._carry_out(made)
        except D8Error as error:
            if not has_switched or self._session.scope.options.layout is not None:
                raise
            self._session.reporter.warn(f"what is laid out for d8 is not complete, until the next sync: {error}")
            self.is_complete = False
            return None
        self._say_what_changed()
        return self._result(made) if not made.is_empty or self._ends else None

    def _say_what_changed(self) -> None:
        """Say that the layout begins, moves or ends, since there may be nothing that is laid out or taken away."""
        if self._ends and self._record is not None:
            self._session.reporter.note("nothing is laid out for d8 any more")
        elif not self._ends and (self._record is None or self._record.directory != self._directory):
            self._session.reporter.note(f"what is installed is laid out for d8 in {self._directory} from now on")

    def follow(self, generation: Generation) -> None:
        """Make the layout what *generation*, the active one, says."""
        self._lock = self._lock_of(generation)
        with self._ready(_programs_of(generation)):
            self.lay_out(has_switched=False)

    def _lock_of(self, generation: Generation | None) -> Lock:
        record = self._workspace.generations.paths.root
        return Lock() if generation is None else Lock.parse(generation.lock.encode(), record)

    def take_away(self) -> None:
        """Take everything away that is ours."""
        with self._ready(()):
            self.lay_out(has_switched=False)

    def own_files(self) -> list[str]:
        """Return the files that ``take_away`` would remove."""
        return [one.path for one in self._planned(()).takes]

    def _carry_out(self, made: LayoutPlan) -> None:
        for path in made.foreign:
            self._session.reporter.warn(f"{path} stays: d8-installer did not put it there")
        files.clear_stages(made.begun.files)
        for file in made.puts:
            self._put(file)
        for one in made.takes:
            files.take_away(one)
        for one in made.begun.files:
            if made.done.find(one.path) is None:
                files.leave_directories(one)
        self._locks.close()
        if self._ends and self._record is not None:
            files.leave_tops(self._record.directory)
        done = tuple(replace(one, state=files.state_of(one.path)) for one in made.done.files)
        files.save_record(self._path, None if self._ends else replace(made.done, files=done))

    def _put(self, file: LayoutFile) -> None:
        if file.kind == "current":
            files.put_link(file)
        elif file.kind == "executable":
            stored, binary = self._stored[file.content]
            suffix = self._session.platform.executable_suffix
            files.put_executable(file, self._session.store.path(stored, file_name(binary, suffix)))
        else:
            files.put_text(file, self._contract(file))

    def _contract(self, file: LayoutFile) -> str:
        """Return the text of a contract, which is in the store since before the switch."""
        from d8_installer.pipeline.contracts import contract_of

        image = self._lock.find(ImageName(file.image))
        contract = None if image is None else contract_of(self._session, image)
        text = "" if contract is None else contract.render()
        if str(Digest.of(text.encode())) != file.content:
            raise MismatchError(
                f"the contract of {file.image} {file.version} is not the one that is locked",
                hint="type `d8-installer verify --fix`",
                code="altered-file",
            )
        return text

    def _result(self, made: LayoutPlan) -> LaidOut:
        put = {file.image for file in made.puts}
        programs = [file for file in self._wanted if file.kind == "executable" and file.image in put]
        placed = {(file.image, file.version, file.path) for file in programs}
        stays = {one.image for one in made.done.files}
        removed = sorted({one.image for one in made.takes} - stays)
        return LaidOut(directory=self._directory, placed=tuple(sorted(placed)), removed=tuple(removed))


def _programs_of(generation: Generation | None) -> list[_Program]:
    placed = generation.placed if generation is not None else ()
    return [_Program(one.placement, Stored(one.digest, one.size)) for one in placed if _is_default(one.placement)]


def _is_default(placement: Placement) -> bool:
    """Whether the Go tool would take this file of the image, and it is in ``bin``."""
    return placement.in_bin and placement.is_default


def _directory(session: Session, record: LayoutRecord | None) -> str:
    """Return the directory to lay out in: the typed one, the Go tool's variable, the one so far, the default one.

    The variable counts only where the layout begins or is typed, so that one shell without it does not move everything.
    """
    scope = session.scope
    typed, chosen = scope.options.plugins_dir, scope.environ.get(VARIABLE)
    if typed is not None:
        return os.path.abspath(os.path.join(scope.directory, typed))
    if chosen and (record is None or scope.options.layout is not None):
        return os.path.abspath(os.path.join(scope.directory, chosen))
    if record is not None:
        return record.directory
    return usable_directory(session, DEFAULT_DIRECTORY)


def usable_directory(session: Session, directory: str) -> str:
    """Return *directory*, or the one below HOME if it may not be made, as the Go tool does (rpp.md §10)."""
    plugins = os.path.join(directory, "plugins")
    if os.path.isdir(plugins) or status.is_writable(plugins):
        return directory
    return os.path.join(home_directory(session.scope.environ), HOME_DIRECTORY)


def _made(session: Session, directory: str) -> str:
    """Make the directory for plugins, or the one below HOME where that is not allowed."""
    session.profiles.refuse_foreign(directory)
    try:
        fs.make_directories(os.path.join(directory, "plugins"))
    except DiskError as error:
        fallback = os.path.join(home_directory(session.scope.environ), HOME_DIRECTORY)
        if not isinstance(error.__cause__, PermissionError) or directory == fallback:
            raise error.within(hint="lay out in another directory: --plugins-dir DIR") from error
        session.reporter.note(f"{directory} is not yours to write: laying out in {fallback}, where d8 looks then")
        fs.make_directories(os.path.join(fallback, "plugins"))
        return fallback
    return directory
