"""An embedded proxy that asks for a token, as a cluster's does."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from tests.command import PROGRAM, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "t0ken-of-the-guides-" + 20 * "x"


@contextlib.contextmanager
def asking_for_a_token(directory: Path, images: Path) -> Iterator[str]:
    """Serve the layouts at *images* to whoever has TOKEN, while the context lasts; the value is the address."""
    home, token = directory / "proxy-home", directory / "proxy-token"
    home.mkdir()
    token.write_text(TOKEN)
    serve = [PROGRAM, "proxy", "serve", "--from", f"oci-layout:{images}", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*serve, "--token-file", str(token), "--quiet"],
        env=environment(str(home)),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on "), line
            yield line.split()[-1]
        finally:
            process.terminate()
            process.wait(30)
