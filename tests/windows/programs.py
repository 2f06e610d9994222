"""A real Windows program for images of tests, made by mingw: it says who it is, and does what its arguments say.

- without arguments: print its text
- ``args A B``: print each argument on a line
- ``exit N``: exit with the code N (decimal or 0x…)
- ``wait``: print its text, then run until stdin ends
- ``catch``: print its text, then run until Ctrl-C, say so, and exit with the code 7
- ``env NAME``: print a variable
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.windows.prefix import MINGW

_ROOM = 200
_MARK = b"@" * _ROOM
SOURCE = r"""
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
static volatile char text[] = "MARK";
static volatile LONG event = -1;
static BOOL WINAPI caught(DWORD number) { event = number; return TRUE; }
int main(int argc, char **argv) {
  _setmode(1, _O_BINARY);
  setvbuf(stdout, 0, _IOFBF, 4096);  /* a console would get letter by letter */
  if (argc > 2 && !strcmp(argv[1], "exit")) ExitProcess(strtoul(argv[2], 0, 0));
  if (argc > 1 && !strcmp(argv[1], "args")) { for (int i = 2; i < argc; i++) printf("%s\n", argv[i]); return 0; }
  if (argc > 2 && !strcmp(argv[1], "env")) { const char *v = getenv(argv[2]); puts(v ? v : ""); return 0; }
  int catches = argc > 1 && !strcmp(argv[1], "catch");
  if (catches) SetConsoleCtrlHandler(caught, TRUE);
  printf("%s\n", (const char *)text);
  fflush(stdout);
  if (catches) {
    while (event < 0) Sleep(20);
    Sleep(200);  /* whoever gives the prompt back early is seen */
    printf("caught %ld\n", event);
    fflush(stdout);
    ExitProcess(7);
  }
  if (argc > 1 && !strcmp(argv[1], "wait")) { char c; while (fread(&c, 1, 1, stdin) == 1) {} }
  return 0;
}
"""


@cache
def _program() -> bytes:
    with TemporaryDirectory() as directory:
        source, target = Path(directory, "tool.c"), Path(directory, "tool.exe")
        source.write_text(SOURCE.replace("MARK", _MARK.decode()))
        subprocess.run([MINGW, "-O2", "-s", "-o", str(target), str(source)], check=True, stdin=subprocess.DEVNULL)
        return target.read_bytes()


def saying(text: str) -> bytes:
    """Return the program with its own text; equal texts give equal bytes."""
    data, program = text.encode(), _program()
    assert len(data) < _ROOM, text
    return program.replace(_MARK, data.ljust(_ROOM, b"\0"))
