"""Runs commands inside Wine for the tests outside: ``python agent.py PORT``, by the Windows CPython.

It connects to the tests at 127.0.0.1:PORT, says the port that it listens on itself, and ends with that connection. Each
further connection is one job: a line of JSON, answered by a line of JSON. So a command has exactly the variables,
directory and streams that a test gives it, and its exit code comes back whole, with all 32 bits.

Only the standard library is used: this file runs in a Python that nothing was added to.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from typing import Any

# What Windows gives to every program, and Wine as well. The rest of this process's variables are of Unix.
GIVEN = (
    "ALLUSERSPROFILE",
    "COMMONPROGRAMFILES",
    "COMPUTERNAME",
    "COMSPEC",
    "NUMBER_OF_PROCESSORS",
    "OS",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "PUBLIC",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "USERDOMAIN",
    "WINDIR",
)
MACHINE = r"System\CurrentControlSet\Control\Session Manager\Environment"


def environment(more: dict[str, str | None]) -> dict[str, str]:
    """Return the variables of a new console window of the user, as Explorer makes them; None removes one."""
    made = {name: os.environ[name] for name in GIVEN if name in os.environ}
    made |= {name: value for name, value in more.items() if value is not None}
    if "PATH" not in more:
        made["PATH"] = ";".join(filter(None, [_path("HKLM", MACHINE, made), _path("HKCU", "Environment", made)]))
    return made


if sys.platform == "win32":
    import winreg

    def _path(root: str, key: str, variables: dict[str, str]) -> str:
        """Return the registry's PATH with its variables expanded."""
        names = {"HKLM": winreg.HKEY_LOCAL_MACHINE, "HKCU": winreg.HKEY_CURRENT_USER}
        try:
            with winreg.OpenKey(names[root], key) as opened:
                value, kind = winreg.QueryValueEx(opened, "Path")
        except FileNotFoundError:
            return ""
        if kind != winreg.REG_EXPAND_SZ:
            return str(value)
        known = {name.upper(): text for name, text in variables.items()}
        return re.sub("%([^%]*)%", lambda found: known.get(found[1].upper(), found[0]), str(value))

else:

    def _path(root: str, key: str, variables: dict[str, str]) -> str:
        """There is no registry here; mypy reads this file on Linux."""
        raise NotImplementedError


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run the job's ``argv`` and return its ``code``, ``out`` and ``err``; ``code`` is None if it took too long."""
    stdout = subprocess.PIPE
    if job.get("closed"):
        reading, stdout = os.pipe()
        os.close(reading)
    process = subprocess.Popen(
        job["argv"],
        env=environment(job["env"]),
        cwd=job.get("cwd"),
        stdin=subprocess.PIPE if job.get("input") is not None else subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    given = base64.b64decode(job["input"]) if job.get("input") is not None else None
    code: int | None
    try:
        out, err = process.communicate(given, timeout=job["seconds"])
        code = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        code = None
    finally:
        if job.get("closed"):
            os.close(stdout)
    return {"code": code, "out": _text(out or b""), "err": _text(err)}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def serve(connection: socket.socket) -> None:
    """Answer one job."""
    with connection, connection.makefile("rwb") as stream:
        try:
            answer = run(json.loads(stream.readline()))
        except OSError as error:
            answer = {"error": f"{error!r} (winerror {getattr(error, 'winerror', None)})"}
        stream.write(json.dumps(answer).encode() + b"\n")
        stream.flush()


def end_with(control: socket.socket) -> None:
    """End this process when the tests close the connection, however they end."""
    with contextlib.suppress(OSError):  # they were killed
        control.recv(1)
    os._exit(0)


def main() -> None:
    """Serve until the tests end."""
    control = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    control.sendall(f"{listener.getsockname()[1]}\n".encode())
    threading.Thread(target=end_with, args=(control,), daemon=True).start()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
