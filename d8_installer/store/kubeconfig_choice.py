"""Which kubeconfig files a command uses, by client-go's rules, and what else decides which cluster it means.

No file is read here. The quick way of ``run`` imports this module, so it imports little.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_OF_PODS = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
_HOMES = ("HOME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH") if sys.platform == "win32" else ("HOME",)
_DECIDING = (*_HOMES, *_OF_PODS, *_PROXIES, *(name.lower() for name in _PROXIES))
"""The variables that, beside the files, decide which API server answers."""


class KubeconfigChoice:
    """The kubeconfig files that a command uses, the first one first, and the context that was typed.

    ``variables`` are those of the environment that decide too which API server answers. They may hold passwords.
    """

    __slots__ = ("context", "files", "insecure", "variables")

    def __init__(
        self, files: tuple[str, ...], context: str | None, variables: tuple[tuple[str, str], ...], *, insecure: bool
    ) -> None:
        self.files = files
        self.context = context
        self.variables = variables
        self.insecure = insecure

    @classmethod
    def of(
        cls,
        kubeconfig: str | None,
        context: str | None,
        environ: Mapping[str, str],
        directory: str,
        *,
        insecure: bool = False,
    ) -> KubeconfigChoice:
        """Return the choice of a command that was typed with these options in *directory*.

        ``--kubeconfig`` names one file; KUBECONFIG is a list like PATH, in which empty entries do not count.
        """
        files = (kubeconfig,) if kubeconfig else listed_files(environ)
        variables = tuple((name, environ[name]) for name in _DECIDING if environ.get(name))
        absolute = tuple(dict.fromkeys(os.path.abspath(os.path.join(directory, file)) for file in files))
        return cls(absolute, context, variables, insecure=insecure)


def listed_files(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files that KUBECONFIG lists, else ``~/.kube/config``; nothing without an absolute HOME."""
    if environ.get("KUBECONFIG"):
        return tuple(file for file in environ["KUBECONFIG"].split(os.pathsep) if file)
    return _usual_files(environ)


if sys.platform == "win32":

    def _usual_files(environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return where client-go looks (its package homedir): the first file that exists, else the first place."""
        home, profile = environ.get("HOME", ""), environ.get("USERPROFILE", "")
        drive, path = environ.get("HOMEDRIVE", ""), environ.get("HOMEPATH", "")
        drive_path = f"{drive}{path}" if drive and path else ""
        by_age = [_usual(one) for one in (home, drive_path, profile) if os.path.isabs(one)]
        found = next(filter(os.path.exists, by_age), None)
        return (found,) if found else tuple(_usual(one) for one in (home, profile, drive_path) if os.path.isabs(one))

    def _usual(home: str) -> str:
        return os.path.join(home, ".kube", "config")

else:

    def _usual_files(environ: Mapping[str, str]) -> tuple[str, ...]:
        home = environ.get("HOME") or os.path.expanduser("~")
        return (os.path.join(home, ".kube", "config"),) if os.path.isabs(home) else ()
