"""All calls that change the file system: create, rename, fsync, link, lock, remove.

Each function is one kind of call to the operating system. Its refusal becomes a DiskError that names the path and says
what to do. Tests inject faults by replacing these functions, so no other module calls ``os.rename`` and the like. The
other modules of ``store`` decide what is written, and when.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys

from d8_installer.errors import DiskError
from d8_installer.model.plurals import sized
from d8_installer.store import flock, sharing
from d8_installer.store.flock import WaitPolicy
from d8_installer.store.os_errors import NO_LINKS, NO_LOCKS, UNSUPPORTED, in_directory, unless_used
from d8_installer.store.os_errors import refusals as _refusals
from d8_installer.store.status import refuse_dangling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO


# -- reading -------------------------------------------------------------------------------------------------


def read(path: str, *, limit: int) -> bytes | None:
    """Return the file's bytes, or None if there is no file; more than *limit* bytes are a DiskError."""
    with _refusals("read", path):
        try:
            with sharing.patiently(lambda: open(path, "rb", opener=_at_once), path) as file:
                data = _read_all(file, path, limit)
        except FileNotFoundError:
            return None
    if len(data) > limit:
        raise DiskError(f"cannot read {path}: it has more than {sized(limit)}", hint="see what wrote it, and remove it")
    return data


def _read_all(file: BinaryIO, path: str, limit: int) -> bytes:
    """Return at most *limit* + 1 bytes. Python would reserve the memory for all bytes that are asked for."""
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        raise DiskError(f"cannot read {path}: it is not a regular file", hint="move it away", code="in-the-way")
    asked = min(found.st_size, limit) + 1
    data = file.read(asked)
    return data if len(data) < asked else data + file.read(limit + 1 - asked)  # it grew, or has no known size


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_head(path: str, count: int) -> bytes:
    """Return the first *count* bytes of a file, or nothing if it cannot be read."""
    try:
        with open(path, "rb", buffering=0, opener=_at_once) as file:
            return file.read(count) or b""
    except OSError:
        return b""


def list_directory(path: str) -> list[str]:
    """Return the sorted names in a directory, or nothing if there is none; a dangling link is a DiskError."""
    with _refusals("list", path), contextlib.suppress(FileNotFoundError):
        return sorted(os.listdir(path))
    refuse_dangling("list", path)
    return []


def read_link(path: str) -> str | None:
    """Return a symbolic link's target, or None if *path* does not exist; any other file there is a DiskError."""
    with _refusals("read the link", path):
        try:
            return os.readlink(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
    raise DiskError(f"{path} is in the way: it is not a link of d8-installer", hint="move it away", code="in-the-way")


def file_size(path: str) -> int | None:
    """Return the size of a regular file, without following links, or None if there is none."""
    with _refusals("look at", path):
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


# -- writing -------------------------------------------------------------------------------------------------


def make_directories(path: str) -> None:
    """Make a directory and its parents, writable only by their owner whatever the umask, unless they exist."""
    absent, above = [], path
    while not os.path.exists(above) and above != os.path.dirname(above):
        absent.append(above)
        above = os.path.dirname(above)
    with _refusals("make the directory", path):
        for directory in reversed(absent):
            with contextlib.suppress(FileExistsError):  # made by another process meanwhile, or not a directory
                os.mkdir(directory, 0o755)
        if not os.path.isdir(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def create(path: str) -> BinaryIO:
    """Create a file, which must not exist yet, and open it for writing, unbuffered and not inherited by children.

    Only its owner can write to it, whatever the umask.
    """
    final = final_name(path)
    with _refusals("write", final, None if final == path else in_directory(os.path.dirname(path))):
        return open(path, "xb", buffering=0, opener=_for_owner)


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o644)


def reopen(path: str, size: int) -> BinaryIO:
    """Open a file, or create it, for writing behind its first *size* bytes; the rest is cut off."""
    with contextlib.ExitStack() as opened, _refusals("write", path):
        file = opened.enter_context(open(path, "ab", buffering=0, opener=_for_owner))
        file.truncate(size)
        opened.pop_all()
        return file


def write(file: BinaryIO, data: bytes | bytearray | memoryview) -> None:
    """Write all of *data*; a full disk is a DiskError."""
    view = memoryview(data)
    with _refusals("write", final_name(str(file.name))):
        while view:
            view = view[file.write(view) :]


def start_writing_out(file: BinaryIO, offset: int, length: int) -> None:
    """Let the system start to write a part of an open file to the disk, without waiting, where there is a call for it.

    The call is advice that the part's cached pages are not needed: Linux starts to write the changed pages, and drops
    the unchanged ones. Just after writing all pages are changed.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a file without a descriptor, or a file system that takes no advice
            os.posix_fadvise(file.fileno(), offset, length, os.POSIX_FADV_DONTNEED)


def sync(file: BinaryIO) -> None:
    """Make an open file's bytes durable, if the file system can."""
    with _refusals("sync", final_name(str(file.name))):
        _sync(file.fileno())


def sync_file(path: str) -> None:
    """Make the bytes of a closed file durable, if the file system can."""
    with _refusals("sync", path):
        # Windows refuses to write out the bytes of a file that was opened for reading.
        descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)


def sync_directory(path: str) -> None:
    """Make a directory's names durable, if the system can."""
    if sys.platform == "win32":  # where a directory cannot be opened
        return
    with _refusals("sync the directory", path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:  # CIFS and 9p answer EINVAL for a directory
            raise


def set_mode(path: str, mode: int) -> None:
    """Set the permission bits, and clear setuid, setgid and sticky.

    Windows has only the attribute READONLY, which keeps a file from being replaced and removed; nothing is set there.
    """
    if os.name != "posix":
        return
    with _refusals("set the mode of", path):
        os.chmod(path, mode)


def rename(old: str, new: str) -> None:
    """Rename within one file system; a file or an empty directory at *new* is replaced in one step."""
    _rename(old, new, sharing.Patience())


def rename_unless_used(old: str, new: str) -> bool:
    """Rename, replacing a file at *new*. Return False, at once, if Windows refuses it because a file is in use."""
    return unless_used(lambda: _rename(old, new, sharing.Patience(0)))


def _rename(old: str, new: str, patience: sharing.Patience) -> None:
    with _refusals("rename to", new):
        sharing.patiently(lambda: os.replace(old, new), new, source=old, replaces=True, patience=patience)


def make_link(target: str, path: str) -> None:
    """Make the symbolic link *path* with the text *target*."""
    with _refusals("make the link", path, NO_LINKS):
        os.symlink(target, path)


def replace_link(target: str, path: str) -> None:
    """Make the symbolic link *path* with the text *target*; a file there is replaced in one rename."""
    with _beside(path) as temporary:
        make_link(target, temporary)
        rename(temporary, path)


def link_or_copy(old: str, new: str) -> None:
    """Make *new* another name of the file *old*: a hard link, or a copy if the file system has no hard links."""
    with _refusals("link", new):
        try:
            os.link(old, new)
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK, *UNSUPPORTED}:
                raise
            import shutil

            shutil.copy2(old, new)


def copy_executable(old: str, new: str) -> None:
    """Copy the executable *old* to *new* in one rename; its owner can write to it."""
    import shutil

    with _beside(new) as temporary:
        with _refusals("copy to", new):
            shutil.copyfile(old, temporary)
        set_mode(temporary, 0o755)
        rename(temporary, new)


def link_new(old: str, new: str) -> bool:
    """Give the file *old* another name, *new*. Return False if there is a file of that name already."""
    with _refusals("link", new):
        try:
            os.link(old, new)
        except FileExistsError:
            return False
    return True


def remove(path: str, patience: sharing.Patience | None = None) -> None:
    """Remove a file or link, if it exists."""
    with _refusals("remove", path), contextlib.suppress(FileNotFoundError):
        sharing.patiently(lambda: os.unlink(path), path, replaces=True, patience=patience)


def remove_unless_used(path: str) -> bool:
    """Remove a file, link or directory, if it exists. Return False, at once, if Windows refuses it because it is used.

    Of a directory, only what is in use stays. The next command looks at leftovers, too.
    """
    is_tree = os.path.isdir(path) and not os.path.islink(path)
    return unless_used(lambda: (remove_tree if is_tree else remove)(path, sharing.Patience(0)))


def remove_if_empty(path: str) -> bool:
    """Remove a directory if it is empty; return whether it does not exist any more."""
    with _refusals("remove", path):
        if os.path.isdir(path) and not os.path.islink(path) and not os.listdir(path):
            sharing.patiently(lambda: os.rmdir(path), path, replaces=True)
    return not os.path.lexists(path)


def remove_tree(path: str, patience: sharing.Patience | None = None) -> None:
    """Remove a directory with everything in it, also read-only directories, if it exists.

    On Windows everything goes that can be removed; then the first refusal is raised.
    """
    with _refusals("remove", path):
        if os.path.islink(path) or not os.path.isdir(path):
            return
        if sys.platform == "win32":
            sharing.remove_tree(path, patience or sharing.Patience())
        else:
            import shutil

            for directory, _, _ in os.walk(path):
                os.chmod(directory, 0o700)
            shutil.rmtree(path)


def replace_file(path: str, data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Write a small file so that a reader sees all old bytes or all new ones, also after a power cut.

    Without *durable* a power cut may damage the file: for caches, which are checked when they are read. A symbolic link
    at *path* is followed, since people keep their ``d8.toml`` elsewhere; a dangling one is a DiskError.
    """
    refuse_dangling("write", path)
    target = os.path.realpath(path)
    make_directories(os.path.dirname(target))
    with replacing(target, mode=mode, durable=durable) as file:
        write(file, data)


def overwrite(path: str, data: bytes) -> None:
    """Write a small existing file in place, so that it stays the same file under all its names.

    A power cut may leave a part of it. ``replace_file`` is safer where the file may be replaced.
    """
    with _refusals("write", path), open(path, "r+b", buffering=0) as file:
        write(file, data)
        file.truncate(len(data))
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: str, *, mode: int = 0o644, durable: bool = True) -> Iterator[BinaryIO]:
    """Give a file to write, which replaces *path* in one rename at the context's end, or is removed on failure."""
    if os.path.lexists(path) and not os.path.isfile(path):
        raise DiskError(f"cannot write {path}: it is not a regular file", hint="move it away", code="in-the-way")
    with _beside(path) as temporary:
        with create(temporary) as file:
            yield file
            if durable:
                sync(file)
        set_mode(temporary, mode)
        rename(temporary, path)
    if durable:
        sync_directory(os.path.dirname(path))


@contextlib.contextmanager
def _beside(path: str) -> Iterator[str]:
    """Give the name of a temporary file for *path*, which is removed on failure."""
    # The process's number would not do: in a container it is always the same, and a killed process leaves its file.
    temporary = f"{path}.{int.from_bytes(os.urandom(6), 'big')}.tmp"
    try:
        yield temporary
    except BaseException:
        with contextlib.suppress(DiskError):
            remove(temporary)
        raise


def temporary_files(directory: str) -> Iterator[tuple[str, str]]:
    """Yield the temporary files that killed calls of ``replace_file`` left: the path, and the name that it was for."""
    for found in list_directory(directory):
        if (name := final_name(found)) != found:
            yield os.path.join(directory, found), name


def final_name(name: str) -> str:
    """Return the name that a temporary file of ``replace_file`` is meant for; any other name as it is."""
    final, _, number = name.removesuffix(".tmp").rpartition(".")
    return final if name.endswith(".tmp") and number.isascii() and number.isdecimal() else name


def sweep(directory: str, *names: str) -> None:
    """Remove the temporary files that killed calls of ``replace_file`` left in *directory* for the files *names*.

    The caller makes sure that no other process is writing there. A file that cannot be removed is left.
    """
    with contextlib.suppress(DiskError):
        for path, name in temporary_files(directory):
            if name in names:
                remove(path)


# -- locking -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def exclusive(path: str, waiting: Callable[[str], None] | WaitPolicy) -> Iterator[None]:
    """Hold the lock file *path* while the context lasts. The lock of a killed process is free.

    *waiting* says how to wait for another process that holds it; a function is called once, and the wait has no end.
    """
    patience = waiting if isinstance(waiting, WaitPolicy) else WaitPolicy(waiting)
    while True:
        make_directories(os.path.dirname(path))
        with flock.open_lock(path) as file:
            flock.wait_for(file, path, patience)
            if _is_still(file, path):  # otherwise the last holder has removed the lock's directory
                yield from _holding(file)
                return


def _holding(file: BinaryIO) -> Iterator[None]:
    with contextlib.suppress(OSError):  # the number is only for messages: a full disk must not prevent cleaning up
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
    try:
        yield
    finally:
        flock.give_back(file)


def _is_still(file: BinaryIO, path: str) -> bool:
    """Whether the locked file is still the one at *path*; otherwise two processes could work at the same time."""
    with _refusals("look at", path):
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
        except FileNotFoundError:
            return False


@contextlib.contextmanager
def removing(directory: str, mutex: str) -> Iterator[bool]:
    """Try to hold the lock file *mutex* in *directory*; yield whether it is held. If so, remove both at the end.

    Windows removes no open file. There the lock is given back first, and stays if another process has opened it.
    """
    with try_exclusive(mutex) as held:
        yield held
        if held:
            remove_unless_used(directory)
    if held and not flock.REMOVED_WHILE_HELD and remove_unless_used(mutex):
        remove_if_empty(directory)


@contextlib.contextmanager
def try_exclusive(path: str) -> Iterator[bool]:
    """Try to hold the lock file *path* while the context lasts; yields whether it is held."""
    with flock.open_lock(path) as file:
        with _refusals("lock", path, NO_LOCKS):
            held = flock.take(file) and _is_still(file, path)
        try:
            yield held
        finally:
            if held:
                flock.give_back(file)
