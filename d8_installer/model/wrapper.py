"""The wrapper: the sh script that stands in ``bin``, instead of a link, before a program that needs more than a link.

It sets the variables that the program's contract lists, or it leaves both the check and the variables to d8-installer
if the program is gated. It forks nothing, unless a person's own link leads to it. Text only; ``store`` writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.run_gate import CALLER, GATED, INJECTED, KUBECONFIG
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest

HEAD_BYTES = 256
"""As much of a file as ``wrapped_digest`` needs."""
_START = b"#!/bin/sh\n# d8-installer wrapper: "
_HASH_DIGITS = 64
_HEX = frozenset(b"0123456789abcdef")
_LONGEST_PATH = 4096

# Every variable of the script begins with d8_w: if the person had exported one of that name, the program would see it
# changed. A link of the person's own is followed by its text, so that PLUGINS_CALLER stays valid after an upgrade:
# `readlink -f` would lead into one generation. A path is made absolute, because the program may change its directory.
_HEAD = """\
#!/bin/sh
# d8-installer wrapper: @binary@ sha256:@digest@
d8_w=$0
case $d8_w in /*) ;; *) d8_w=$PWD/$d8_w ;; esac
while [ -h "$d8_w" ]; do
  d8_wl=$(readlink "$d8_w")
  case $d8_wl in /*) d8_w=$d8_wl ;; *) d8_w=${d8_w%/*}/$d8_wl ;; esac
done
d8_w=${d8_w%/*}
"""
_KUBECONFIG = """\
if [ -z "$KUBECONFIG" ] && [ -n "$HOME" ]; then
  export KUBECONFIG="$HOME/.kube/config"
fi
"""
_CALLER = """\
d8_wc=$d8_w/@bin@d8
if [ ! -f "$d8_wc" ] || [ ! -x "$d8_wc" ]; then
  d8_wc=
  d8_wr=$PATH:
  while [ -n "$d8_wr" ]; do
    d8_wp=${d8_wr%%:*}
    d8_wr=${d8_wr#*:}
    case $d8_wp in
      /*) if [ -f "$d8_wp/d8" ] && [ -x "$d8_wp/d8" ]; then d8_wc=$d8_wp/d8; break; fi ;;
    esac
  done
fi
unset PLUGINS_CALLER
if [ -n "$d8_wc" ]; then export PLUGINS_CALLER="$d8_wc"; fi
"""
_RUN = """\
d8_wx=$d8_w/@stored@
if [ ! -x "$d8_wx" ]; then
  echo "error[program-gone]: $d8_wx is gone" >&2
  echo 'hint: type `d8-installer sync`, which fetches it again' >&2
  exit 73
fi
exec "$d8_wx" "$@"
"""
_CHECK = """\
d8_wx=@tool@
if [ -z "$d8_wx" ] || [ ! -x "$d8_wx" ]; then
  d8_wx=d8-installer
  if ! command -v d8-installer >/dev/null; then
    echo 'error[no-d8-installer]: @binary@ is gated, and d8-installer, which checks it, is not on PATH' >&2
    echo 'hint: put the directory of d8-installer on PATH, or install it again' >&2
    exit 78
  fi
fi
exec "$d8_wx" @gated@ "$d8_w" @binary@ "$@"
"""


class Wrapper(Struct, frozen=True, order=True):
    """What a wrapper does: the variables that the program gets, and whether its run is checked first.

    *tool* is the path of the d8-installer that checks, as it was when the wrapper was made. If it is gone by now, the
    one on PATH checks.
    """

    env: tuple[str, ...] = ()
    gated: bool = False
    tool: str = ""

    def text(self, binary: str, digest: Digest, *, stored: str, bin_directory: str) -> str:
        """Return the script for *binary*.

        *stored* is the path of the executable, and *bin_directory* that of ``bin``: both relative to the script's own
        directory, so that a home can be moved.
        """
        if self.gated:
            body = _CHECK.replace("@tool@", _quoted(self.tool)).replace("@gated@", GATED)
        else:
            body = self._variables(bin_directory) + _RUN.replace("@stored@", stored)
        return (_HEAD + body).replace("@binary@", binary).replace("@digest@", digest.hex)

    def _variables(self, bin_directory: str) -> str:
        to_bin = "" if bin_directory == "." else f"{bin_directory}/"
        texts = {KUBECONFIG: _KUBECONFIG, CALLER: _CALLER.replace("@bin@", to_bin)}
        return "".join(texts[name] for name in self.env)

    def as_json(self) -> dict[str, object]:
        """Return the wrapper's part of ``generation.json``."""
        return {"env": list(self.env), "gated": self.gated, "tool": self.tool}

    @classmethod
    def parse(cls, entry: object) -> Wrapper:
        """Read that part; what this tool did not write is a DocumentError."""
        if not isinstance(entry, dict):
            raise DocumentError("is damaged", code="damaged-state")
        env, tool = entry.get("env"), entry.get("tool", "")
        if not isinstance(env, list) or any(name not in INJECTED for name in env) or not _is_path(tool):
            raise DocumentError("is damaged", code="damaged-state")
        return cls(tuple(env), entry.get("gated") is True, tool)


def wrapped_digest(head: bytes) -> str | None:
    """Return the digest (64 hex digits) of the executable that a wrapper runs, by the *head* of its file, else None."""
    if not head.startswith(_START):
        return None
    line, newline, _ = head[len(_START) :].partition(b"\n")
    digest = line.rpartition(b" sha256:")[2]
    if not newline or len(digest) != _HASH_DIGITS or not _HEX.issuperset(digest):
        return None
    return digest.decode("ascii")


def _is_path(value: object) -> bool:
    """Whether *value* is an absolute path that can stand in a script, or "" for none."""
    return isinstance(value, str) and value[:1] in {"", "/"} and value.isprintable() and len(value) <= _LONGEST_PATH


def _quoted(path: str) -> str:
    """Return *path* as one word of sh."""
    return "'" + path.replace("'", "'\\''") + "'"
