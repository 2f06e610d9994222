"""``init`` and ``manifest init`` write a manifest; ``manifest check`` reads it as a user's d8-installer will."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d8_installer.errors import D8Error, DiskError, DocumentError, MismatchError, NotFoundError, UsageError
from d8_installer.model.executable import check_executable
from d8_installer.model.lock import Lock
from d8_installer.model.manifest import FILE_NAME, SCHEMA, Manifest, with_request
from d8_installer.model.reference import is_never_a_plugins, split_requirement
from d8_installer.model.requirement import OWN_MANIFEST, Request
from d8_installer.model.resolution import Wanted
from d8_installer.model.shell_words import joined
from d8_installer.model.value import Struct
from d8_installer.pipeline.profile_choice import refuse_as_project
from d8_installer.pipeline.relock import relock
from d8_installer.store import documents
from d8_installer.store.paths import known_home_directory
from d8_installer.store.unpack import Layer, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from d8_installer.model.lock import LockedImage
    from d8_installer.model.source import LayerRequest
    from d8_installer.pipeline.reporter import Task
    from d8_installer.pipeline.session import Session

_EXAMPLE = f"""\
schema = {SCHEMA}

# Each image has an entry. `d8-installer add NAME` writes it for you.
#
# [[images]]
# name = "stronghold"
# version = ">=1.4, <2"    # leave it out for the newest stable version
"""
"""A manifest that asks for nothing, and shows how to ask."""


class ManifestResult(Struct, frozen=True):
    """A manifest that was written or read: each request, and the version found for it (None without ``--resolve``).

    ``changed``: the file was made, or would be in a ``dry_run``. ``init`` that finds its own text changes nothing.
    """

    file: str
    images: tuple[tuple[Request, str | None], ...]
    written: bool = False
    changed: bool = False
    dry_run: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        images = [
            {"image": str(request.name), "range": request.version.text, "version": version}
            | {"binaries": [binary for binary, _ in request.binaries]}
            for request, version in self.images
        ]
        facts = {"changed": self.changed, "dry_run": self.dry_run, "file": self.file, "written": self.written}
        return {**facts, "images": images}


def init(
    session: Session, requirements: Sequence[str], file: str, *, of_project: bool = False, dry_run: bool = False
) -> ManifestResult:
    """Write a new manifest with each ``NAME[SPEC]``; without one, with comments that show an entry.

    An existing file is not touched; one with another text is a DiskError. *of_project*: the manifest makes its
    directory a project, so it may not be in HOME.
    """
    scope = session.scope
    path = os.path.join(scope.directory, file)
    if of_project and os.path.basename(path) == FILE_NAME:
        refuse_as_project(os.path.dirname(path), known_home_directory(scope.environ))
    text = "" if requirements else _EXAMPLE
    for requirement in requirements:
        name, spec = split_requirement(requirement)
        try:
            text = with_request(text, Request.of(name, spec))
        except DocumentError as error:
            raise UsageError(f"{requirement[:100]!r}: {error}", hint=error.hint, code="bad-requirement") from error
    images = _unasked(Manifest.parse(text.encode(), path))
    if os.path.lexists(path):
        if _has_text(path, text):
            return ManifestResult(path, images, dry_run=dry_run)
        hint = "add to it with `d8-installer add NAME`, or choose another file with --file"
        raise DiskError(f"{path} is there already", hint=hint, code="in-the-way")
    if not dry_run:
        documents.save(path, text, begin=True)
    return ManifestResult(path, images, written=not dry_run, changed=True, dry_run=dry_run)


def _has_text(path: str, text: str) -> bool:
    try:
        return documents.load_manifest(path).text == text
    except D8Error:  # it is no manifest, or cannot be read
        return False


def check(session: Session, file: str, *, resolve: bool) -> ManifestResult:
    """Read a plugin's manifest. With *resolve*, find a version of each image, and check its files for each platform.

    Raise DocumentError for a manifest that d8-installer would refuse, or that asks for a name no plugin may have, and
    NotFoundError for a file that an image lacks.
    """
    path = os.path.join(session.scope.directory, file)
    _refuse_other_files(path, file)
    manifest = documents.load_manifest(path, of_plugin=True).value
    _refuse_requests(manifest, path)
    if not resolve:
        return ManifestResult(path, _unasked(manifest))
    wanted = Wanted(requirements=manifest.requirements(OWN_MANIFEST), present=frozenset([OWN_MANIFEST]), locked=Lock())
    locked = relock(session, wanted).lock
    _check_contents(session, locked)
    versions = {image.name: image.version for image in locked.images}
    return ManifestResult(path, tuple((request, versions.get(request.name)) for request in manifest.requests))


def _refuse_other_files(path: str, file: str) -> None:
    """Refuse what is not a manifest: *file* as it was typed, which is at *path*."""
    if os.path.isdir(path):
        typed = joined(["d8-installer", "manifest", "check", os.path.join(file, "d8.toml")])
        problem, hint = "is a directory", f"name the file: `{typed}`"
    elif not os.path.isfile(path):
        typed = f"{joined(['d8-installer', 'manifest', 'init'])} NAME {joined(['--file', file])}"
        problem, hint = "is missing", f"make one: `{typed}`"
    elif file.endswith(".whl"):
        typed = joined(["d8-installer", "wheel", file, "--dry-run"])
        problem, hint = "is a wheel, not a manifest", f"`{typed}` checks the manifest in it"
    else:
        return
    raise DocumentError(problem, file=path, hint=hint, about_file=True, code="bad-manifest")


def _refuse_requests(manifest: Manifest, path: str) -> None:
    """Refuse a manifest that asks for nothing, or for a name that no plugin may have."""
    if not manifest.requests:
        raise DocumentError(
            "asks for no image", file=path, key="images", hint="add one under [[images]]", code="bad-manifest"
        )
    for number, request in enumerate(manifest.requests):
        for binary, _ in request.binaries:
            if is_never_a_plugins(binary):
                hint = "give it another name: binaries = { other-name = … }"
                key = f"images[{number}].binaries"
                raise DocumentError(
                    f"no plugin gets the name {binary!r}", file=path, key=key, hint=hint, code="bad-name"
                )


def _unasked(manifest: Manifest) -> tuple[tuple[Request, str | None], ...]:
    return tuple((request, None) for request in manifest.requests)


# -- what the images hold ----------------------------------------------------------------------------------------------


def _check_contents(session: Session, lock: Lock) -> None:
    """Fetch each layer of *lock* once, check that it has the files that ``binaries`` names, and keep nothing of it.

    Raise NotFoundError for a file that an image lacks, and MismatchError for other bytes than the locked ones or for an
    executable of another platform. Both name the image, its tag and the platform.
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
