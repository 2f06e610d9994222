"""A person on the Windows machine: their profile folder, their source of images, and the commands that they type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests import images
from tests.windows import programs
from tests.windows.machine import PROGRAM, SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.windows.machine import Ended, Machine


class WindowsUser:
    """``C:\\users\\NAME``, with a directory of OCI layouts as the source of images.

    All users share the registry's HKEY_CURRENT_USER: Wine knows one user only.
    """

    def __init__(self, machine: Machine, name: str, source: Path) -> None:
        self.machine = machine
        self.source = source
        self.profile = rf"C:\users\{name}"
        self.cwd = self.profile
        self.env: dict[str, str | None] = {}
        """More variables of their console."""
        for folder in ("AppData/Local/Temp", "AppData/Roaming"):
            self.path(folder).mkdir(parents=True, exist_ok=True)

    @property
    def variables(self) -> dict[str, str | None]:
        """The variables of their console."""
        local, roaming = rf"{self.profile}\AppData\Local", rf"{self.profile}\AppData\Roaming"
        return {
            "USERPROFILE": self.profile,
            "HOMEDRIVE": "C:",
            "HOMEPATH": self.profile.removeprefix("C:"),
            "USERNAME": self.profile.rpartition("\\")[2],
            "APPDATA": roaming,
            "LOCALAPPDATA": local,
            "TEMP": rf"{local}\Temp",
            "TMP": rf"{local}\Temp",
            "D8_RPP_ENDPOINT": f"oci-layout:{self.machine.spelled(self.source)}",
            **self.env,
        }

    def path(self, *parts: str) -> Path:
        """Return where Linux has a path below their profile folder."""
        return self.machine.path(self.profile).joinpath(*parts)

    # -- what they type

    def run(
        self,
        *words: str,
        cwd: str | None = None,
        env: Mapping[str, str | None] | None = None,
        closed: bool = False,
        seconds: float = SECONDS,
    ) -> Ended:
        """Run ``d8-installer WORDS``; any end but a traceback will do."""
        done = self.types([PROGRAM, *words], cwd=cwd, env=env, closed=closed, seconds=seconds)
        assert "Traceback" not in done.err, done
        return done

    def ok(self, *words: str, **more: Any) -> Ended:
        """Run it; it must succeed."""
        return self.ends(0, *words, **more)

    def ends(self, code: int, *words: str, **more: Any) -> Ended:
        """Run it; it must end with *code*."""
        done = self.run(*words, **more)
        assert done.code == code, done
        return done

    def json(self, *words: str, code: int = 0, **more: Any) -> dict[str, Any]:
        """Run it with ``--json``; it must end with *code*. Return the envelope's data."""
        data: dict[str, Any] = json.loads(self.ends(code, "--json", *words, **more).stdout)["data"]
        return data

    def types(
        self,
        argv: list[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str | None] | None = None,
        given: bytes | None = None,
        closed: bool = False,
        seconds: float = SECONDS,
    ) -> Ended:
        """Run any command line in a new console."""
        variables = {**self.variables, **(env or {})}
        where = cwd or self.cwd
        return self.machine.run(argv, env=variables, cwd=where, given=given, closed=closed, seconds=seconds)

    def cmd(self, line: str, **more: Any) -> Ended:
        """Type a line into a new cmd.exe."""
        return self.types(["cmd", "/d", "/c", line], **more)

    # -- what there is to be had

    def publish(self, name: str, *tags: str) -> None:
        """Publish tags of an image; the program says its name and tag (`tests.windows.programs`)."""
        for tag in tags:
            said = f"{name} {tag}"
            builds: dict[str, images.Build] = {"windows-amd64": programs.saying(said)}
            images.add_image(str(self.source), name, tag, builds | images.executables(said, "linux-amd64"))

    # -- what they have

    @property
    def data(self) -> Path:
        """The tool's home, as Linux has it."""
        return self.path("AppData/Local/d8-installer")

    @property
    def home(self) -> str:
        """The tool's home, as Windows spells it."""
        return rf"{self.profile}\AppData\Local\d8-installer"
