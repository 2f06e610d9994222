"""Branch coverage of the processes that tests start, at a tenth of the cost of starting coverage in each.

Importing coverage takes 65 ms of a processor and writing its data 12 ms, in each of some thousands of processes. So a
process loads only coverage's C tracer and writes what that recorded to a file; `collected` turns all the files into
coverage's data. A .pth file calls `start` (``dev.py``). ``test_measured.py`` compares the result with coverage's own.
The top of this module imports nothing that is slow to import.
"""

from __future__ import annotations

import atexit
import contextlib
import marshal
import os
import signal
import sys
import threading
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VARIABLE = "D8_TEST_COVERAGE"
"""The directory that measured processes write to; a process without it is not measured."""
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = tuple(os.path.join(ROOT, *path, "") for path in (("d8_installer",), ("hooks", "d8_hooks")))
"""What is measured: the same as ``source`` in pyproject.toml."""
_LINE = (1 << 28) - 1
_NEGATIVE = (1 << 56, 1 << 57)

_recorded: dict[str, set[int]] = {}
_known_files: dict[str, Any] = {}
_lock = threading.Lock()
_directory = ""
_tracer: Any = None
_kept: list[Any] = []
"""The tracers of all threads: CPython sometimes complains on stderr when a tracer ends with its thread."""


# -- in the process that is measured ---------------------------------------------------------------------------


def start() -> None:
    """Measure this process from here to its end: all its threads, and whether `_exit`, exec or SIGTERM ends it."""
    global _directory, _tracer
    if _tracer is None:
        _directory, _tracer = os.environ[VARIABLE], _load_tracer()
        atexit.register(_save)
        vars(os)["_exit"] = _saved_before(os._exit)
        for name in ("execv", "execve"):
            vars(os)[name] = _saved_before(getattr(os, name))
        before = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda number, _frame: _end(number, before))
        threading.settrace(_trace_thread)
        _trace()


def save_and_forget() -> None:
    """Write what was recorded so far to a file; forked processes then write only what they record themselves."""
    if _tracer is not None:
        _save()
        _recorded.clear()


def stop() -> None:
    """Stop measuring this process, and leave SIGTERM to it."""
    global _directory  # noqa: PLW0603 - of this process
    if _directory:
        _directory = ""
        sys.settrace(None)
        threading.settrace(None)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _load_tracer() -> Any:
    """Load ``coverage.tracer`` without the package around it, whose import is what costs."""
    places = (os.path.join(place, "coverage", f"tracer{suffix}") for place in sys.path for suffix in EXTENSION_SUFFIXES)
    path = next(filter(os.path.exists, places))
    loader = ExtensionFileLoader("coverage.tracer", path)
    module = loader.create_module(ModuleSpec("coverage.tracer", loader, origin=path))
    loader.exec_module(module)
    return module


def _trace() -> Any:
    tracer = _tracer.CTracer()
    tracer.data, tracer.should_trace_cache, tracer.should_trace = _recorded, _known_files, _disposition
    tracer.lock_data, tracer.unlock_data = _lock.acquire, _lock.release
    tracer.trace_arcs, tracer.warn, tracer.file_tracers, tracer.check_include = True, print, {}, None
    tracer.concur_id_func = tracer.should_start_context = tracer.switch_context = tracer.disable_plugin = None
    _kept.append(tracer)
    return tracer.start()


def _trace_thread(frame: Any, event: str, argument: Any) -> Any:
    """Begin in a new thread, for which `threading` calls this at its first event."""
    sys.settrace(None)
    trace = _trace()
    return trace(frame, event, argument) if trace else trace


def _disposition(file: str, _frame: object) -> Any:
    said = _tracer.CFileDisposition()
    said.original_filename = said.canonical_filename = file
    said.trace = file.startswith(SOURCE)
    said.source_filename = file if said.trace else None
    said.file_tracer, said.has_dynamic_filename, said.reason = None, False, ""
    return said


def _save() -> None:
    """Write what was recorded to a file; a process that may not write there is not measured."""
    if not _directory:
        return
    with contextlib.suppress(OSError):
        data = {file: list(pairs) for file, pairs in list(_recorded.items())}
        place = os.path.join(_directory, f"{os.getpid()}-{os.urandom(4).hex()}")
        with open(place + ".draft", "wb") as draft:
            draft.write(marshal.dumps(data))
        os.replace(place + ".draft", place)  # or one killed here would spoil the collecting


def _saved_before(call: Callable[..., Any]) -> Callable[..., Any]:
    def saved(*arguments: Any) -> Any:
        _save()
        return call(*arguments)

    return saved


def _end(number: int, before: Any) -> None:
    _save()
    signal.signal(number, before)
    os.kill(os.getpid(), number)


# -- in the process of the tests -------------------------------------------------------------------------------


@contextlib.contextmanager
def collected(directory: Path, data_file: str) -> Iterator[None]:
    """Measure the processes that are started while the context lasts; then write coverage's data beside *data_file*."""
    os.environ[VARIABLE] = str(directory)
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        write(directory, data_file)


def write(directory: Path, data_file: str) -> None:
    """Write one data file for coverage from the files that processes left in *directory*."""
    from pathlib import Path

    from coverage import CoverageData

    joined: dict[str, set[int]] = {}
    for path in directory.iterdir():
        if path.suffix != ".draft":
            for file, pairs in marshal.loads(path.read_bytes()).items():  # noqa: S302 - our own, of this run
                joined.setdefault(file, set()).update(pairs)
    data = CoverageData(data_file, suffix=f"processes.{os.getpid()}.{os.urandom(4).hex()}")
    data.add_arcs({file: [_unpacked(pair) for pair in pairs] for file, pairs in joined.items()})
    files = [str(path) for place in SOURCE for path in Path(place).rglob("*.py")]
    data.touch_files(files)  # report those that no process imports, too
    data.write()


def _unpacked(pair: int) -> tuple[int, int]:
    """Return the lines from and to, which the tracer packs into one number (``CTracer_record_pair`` in its source)."""
    old, new = pair & _LINE, (pair >> 28) & _LINE
    return (-old if pair & _NEGATIVE[0] else old, -new if pair & _NEGATIVE[1] else new)
