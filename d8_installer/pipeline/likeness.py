"""Compares a published version with a program that is there already: its layer is streamed once, and kept if equal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError, NotFoundError
from d8_installer.model.generation import Placement
from d8_installer.model.lock import Lock
from d8_installer.model.plan import Fetch, Plan
from d8_installer.model.requirement import OWN_MANIFEST, Request, Requirement
from d8_installer.model.resolution import Choice, Resolution, Trust, Wanted
from d8_installer.pipeline.driver import drive
from d8_installer.pipeline.fetch import NotAdmittedError, fetch_all
from d8_installer.pipeline.provenance import prove
from d8_installer.resolve.pin import pin
from d8_installer.store import home_state
from d8_installer.store.unpack import Layer, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from d8_installer.model.digest import Digest
    from d8_installer.model.lock import LockedImage
    from d8_installer.model.reference import ImageName
    from d8_installer.pipeline.driver import Known
    from d8_installer.pipeline.reporter import Task
    from d8_installer.pipeline.session import Session


class Likeness:
    """Compares versions of images with programs, for one command. Unless it *keeps* them, nothing is stored."""

    def __init__(self, session: Session, *, keeps: bool) -> None:
        self._session = session
        self._keeps = keeps
        self._known: Known = {}

    def is_like(self, name: ImageName, tag: str, program: Digest) -> bool:
        """Whether the file of ``name:tag`` for this platform has the digest *program*.

        A version that cannot be pinned, because its tag was moved or it has no build, is none that can be installed.
        """
        try:
            image = self._pinned(name, tag)
            request = image.layer_request(self._session.platform)
        except (MismatchError, NotFoundError) as error:
            self._session.reporter.detail(f"{name}:{tag}: {error}")
            return False
        member = name.default_binary[1]
        stored = self._session.store.members(request.layer).get(member)
        if stored is not None:
            return stored.digest == program
        step = Fetch(name=name, request=request, members=(member,))
        try:
            return self._fetched(step, program) if self._keeps else self._compared(step, program)
        except (MismatchError, NotFoundError) as error:
            self._session.reporter.detail(f"{name}:{tag}: {error}")
            return False

    def _pinned(self, name: ImageName, tag: str) -> LockedImage:
        requirement = Requirement(OWN_MANIFEST, Request.of(name, f"==={tag}"))
        wanted = Wanted(requirements=(requirement,), present=frozenset([OWN_MANIFEST]), locked=Lock())
        chosen = Resolution((Choice(name=name, tag=tag, requirements=(requirement,)),))
        trust = Trust(home_state.load_tags(self._session.scope.home))
        session = self._session
        lock = drive(pin(chosen, wanted, trust), lambda: session.source, session.scope.options.connections, self._known)
        return lock.images[0]

    def _fetched(self, step: Fetch, program: Digest) -> bool:
        """Fetch the layer, and store its file if it is the program."""
        plan = Plan(platform=self._session.platform, steps=(step,), target=_target(step))
        try:
            fetch_all(self._session, plan, admits=lambda digest: digest == program)
        except NotAdmittedError:
            return False
        return True

    def _compared(self, step: Fetch, program: Digest) -> bool:
        """Read the layer without writing a byte: in a dry run there may be no home yet."""
        request, source = step.request, self._session.source
        prove(source, request)
        task = self._session.reporter.task(f"{step.name} {request.tag}", request.size)
        is_whole = False
        try:
            with source.layer(request) as body:
                wanted, layer = frozenset(step.members), Layer(request.layer, request.size)
                (file,) = unpack(_counted(body, task), layer, wanted, _nowhere)
            is_whole = True
        finally:
            task.finish(is_whole=is_whole)
        return file.digest == program


def _nowhere(_member: str) -> BinaryIO:
    """Open a file that keeps nothing."""
    return open(os.devnull, "wb", buffering=0)


def _counted(body: Iterable[bytes], task: Task) -> Iterator[bytes]:
    for chunk in body:
        task.advance(len(chunk))
        yield chunk


def _target(step: Fetch) -> tuple[Placement, ...]:
    """Return the placement that gives the file its name in the store."""
    binary, member = step.name.default_binary
    return (
        Placement(
            binary=binary,
            name=step.name,
            version=step.request.tag,
            layer=step.request.layer,
            member=member,
            requests=(),
        ),
    )
