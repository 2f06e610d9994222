"""Looks into the layers of a lock: does every image hold the files that ``binaries`` names, for each platform?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import MismatchError, NotFoundError
from d8_installer.model.executable import check_executable
from d8_installer.store.unpack import Layer, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from d8_installer.model.lock import Lock, LockedImage
    from d8_installer.model.source import LayerRequest
    from d8_installer.pipeline.reporter import Task
    from d8_installer.pipeline.session import Session


def check_contents(session: Session, lock: Lock) -> None:
    """Fetch each layer of *lock* once, and keep nothing of it.

    Raises NotFoundError for a file that an image lacks, MismatchError for bytes that are not the locked ones or for an
    executable of another platform, each with the image, its tag and the platform, and whatever the source raises.
    """
    for image in lock.images:
        for request in image.layer_requests():
            _check_layer(session, image, request)


def _check_layer(session: Session, image: LockedImage, request: LayerRequest) -> None:
    what = f"{image.name} {image.version}" + (f" for {request.platform}" if request.platform else "")
    task = session.reporter.task(what, request.size)
    is_whole = False
    try:
        with session.source.layer(request) as body:
            layer = Layer(request.layer, request.size)
            files = unpack(_counted(body, task), layer, frozenset(image.members), _nowhere)
        is_whole = True
    except (MismatchError, NotFoundError) as error:
        raise error.within(what) from error
    finally:
        task.finish(is_whole=is_whole)
    for file in files:
        if request.platform is not None:
            check_executable(file.head, request.platform, f"{file.member!r} of {what}")


def _nowhere(_member: str) -> BinaryIO:
    return open(os.devnull, "wb")  # ``unpack`` closes it


def _counted(body: Iterable[bytes], task: Task) -> Iterator[bytes]:
    for chunk in body:
        task.advance(len(chunk))
        yield chunk
