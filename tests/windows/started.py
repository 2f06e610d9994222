"""A command that runs on the Windows machine while a test does something else."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.windows.machine import PYTHON, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.windows.machine import Ended
    from tests.windows.user import WindowsUser

# It runs there: it starts the command, tells its first line, and passes orders on. Both of the command's streams come
# back when all processes that inherited them have ended.
_STARTER = r"""
import socket, subprocess, sys
control = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
started = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
control.sendall(started.stdout.readline().rstrip() + b"\n")
if control.makefile("rb").readline() != b"wait\n":
    started.kill()
sys.stdout.buffer.write(started.stdout.read())
sys.exit(started.wait())
"""
# TerminateProcess of this one leaves the command that it has started.
_PARENT = "import subprocess, sys; subprocess.run(sys.argv[1:])"


class Started:
    """A running command: ``first`` is the first line of its output."""

    def __init__(self, first: str, control: socket.socket, thread: threading.Thread, ended: list[Ended]) -> None:
        self.first = first
        self._control = control
        self._thread = thread
        self._ended = ended

    def kill(self) -> Ended:
        """End the process that was started by TerminateProcess; return how all ended, and what they still said."""
        return self._order(b"kill\n")

    def wait(self) -> Ended:
        """Wait until it ends by itself."""
        return self._order(b"wait\n")

    def _order(self, order: bytes) -> Ended:
        self._control.sendall(order)
        self._thread.join(SECONDS)
        (ended,) = self._ended
        return ended


@contextmanager
def started(user: WindowsUser, argv: Sequence[str], *, with_parent: bool = False) -> Iterator[Started]:
    """Run a command line while the context lasts. *with_parent*: by another process, which is the one to kill."""
    command = [*([PYTHON, "-c", _PARENT] if with_parent else []), *argv]
    ended: list[Ended] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        starter = [PYTHON, "-c", _STARTER, str(listener.getsockname()[1]), *command]
        thread = threading.Thread(target=lambda: ended.append(user.types(starter)), daemon=True)
        thread.start()
        control, _ = listener.accept()
        with control, control.makefile("rb") as said:
            control.settimeout(SECONDS)
            running = Started(said.readline().decode().strip(), control, thread, ended)
            try:
                yield running
            finally:
                if not ended:
                    running.kill()
