"""Docker's credential helpers: programs ``docker-credential-X`` that keep passwords for docker and podman."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError
from d8_installer.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 60
# What docker-credential-helpers print (credentials/error.go) when they know nothing of a server.
_HAS_NONE = "credentials not found"


def ask_helper(program: str, host: str, env: Mapping[str, str]) -> Credentials | None:
    """Run ``docker-credential-X get`` (docker/docker-credential-helpers, README): host on stdin, JSON on stdout."""
    import shutil

    path = shutil.which(program, path=env.get("PATH", os.defpath))
    if path is None:
        raise ConfigError(f"{program} is not on PATH", hint="install it, or take it out of docker's config.json")
    try:
        done = subprocess.run(
            [path, "get"],
            input=host,
            env=dict(env),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode and _HAS_NONE in done.stdout + done.stderr:
            return None
        answer = json.loads(done.stdout) if not done.returncode else None
    except (OSError, ValueError, subprocess.SubprocessError):
        answer = None
    user, secret = (answer.get("Username"), answer.get("Secret")) if isinstance(answer, dict) else (None, None)
    if not isinstance(user, str) or not isinstance(secret, str):
        # its output may be a secret: neither shown nor chained
        raise ConfigError(
            f"{program} gave no credentials for {host}", hint=f"see why: echo {host} | {program} get"
        ) from None
    return Credentials("", "", secret) if user == "<token>" else Credentials(user, secret)
