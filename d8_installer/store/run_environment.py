"""The variables that a program gets because its contract lists them: where the kubeconfig is, and which d8 calls it.

The quick way of ``run`` imports this module, so it imports little. A wrapper does the same in sh (``model.wrapper``).
"""

from __future__ import annotations

import os
import sys

from d8_installer.model.run_gate import CALLER, KUBECONFIG
from d8_installer.model.secrets import without_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def environment_of(
    names: Collection[str], environ: Mapping[str, str], bin_directory: str, kubeconfig: str | None = None
) -> dict[str, str]:
    """Return the environment of a program whose contract lists *names*; all other variables pass through.

    *kubeconfig* is the absolute path that was typed. KUBECONFIG stays as the person has it, and without it names
    ``~/.kube/config``. PLUGINS_CALLER is the ``d8`` in *bin_directory*, else that on PATH, else it is not set.
    """
    made = without_secrets(environ)
    if KUBECONFIG in names:
        path = kubeconfig or environ.get(KUBECONFIG) or _usual_kubeconfig(environ)
        if path:
            made[KUBECONFIG] = path
    if CALLER in names:
        made.pop(CALLER, None)
        caller = _caller(environ, bin_directory)
        if caller is not None:
            made[CALLER] = caller
    return made


if sys.platform == "win32":
    from d8_installer.store.kubeconfig_choice import listed_files

    def _usual_kubeconfig(environ: Mapping[str, str]) -> str:
        return next(iter(listed_files(environ)), "")

else:

    def _usual_kubeconfig(environ: Mapping[str, str]) -> str:
        home = environ.get("HOME", "")
        return os.path.join(home, ".kube", "config") if home else ""


def _caller(environ: Mapping[str, str], bin_directory: str) -> str | None:
    name = "d8.exe" if os.name == "nt" else "d8"
    for directory in (bin_directory, *environ.get("PATH", "").split(os.pathsep)):
        path = os.path.join(directory, name)
        if os.path.isabs(directory) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None
