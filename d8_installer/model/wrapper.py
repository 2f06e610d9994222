"""The wrapper: the sh script that stands in ``bin``, instead of a link, before a program that needs more than a link.

It sets the variables that the program's contract lists, or it leaves both the check and the variables to d8-installer
if the program is gated. It forks nothing, unless a person's own link leads to it. Text only; ``store`` writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import DocumentError
from d8_installer.model.run_gate import CALLER, INJECTED, KUBECONFIG
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest

GATED = "__gated"
"""The hidden command that a gated wrapper calls."""
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
  echo "error: $d8_wx is gone" >&2
  echo 'hint: type `d8-installer sync`, which fetches it again' >&2
  exit 73
fi
exec "$d8_wx" "$@"
"""
_CHECK = """\
d8_wx=@tool@
if [ ! -x "$d8_wx" ]; then
  d8_wx=d8-installer
  if ! command -v d8-installer >/dev/null; then
    echo 'error: @binary@ is gated, and d8-installer, which checks its requirements, is not on PATH' >&2
    echo 'hint: put d8-installer on PATH, or type its path and `config unset gate`, then `sync`' >&2
    exit 78
  fi
fi
exec "$d8_wx" @gated@ "$d8_w" @binary@ "$@"
"""


class Wrapper(Struct, frozen=True, order=True):
    """What a wrapper does: the variables that it sets, and the d8-installer that checks first ("" if none does)."""

    env: tuple[str, ...] = ()
    checked_by: str = ""

    def text(self, binary: str, digest: Digest, *, stored: str, bin_directory: str) -> str:
        """Return the script for *binary*.

        *stored* is the path of the executable, and *bin_directory* that of ``bin``: both relative to the script's own
        directory, so that a home can be moved.
        """
        if self.checked_by:
            body = _CHECK.replace("@tool@", _quoted(self.checked_by)).replace("@gated@", GATED)
        else:
            body = self._variables(bin_directory) + _RUN.replace("@stored@", stored)
        return (_HEAD + body).replace("@binary@", binary).replace("@digest@", digest.hex)

    def _variables(self, bin_directory: str) -> str:
        to_bin = "" if bin_directory == "." else f"{bin_directory}/"
        texts = {KUBECONFIG: _KUBECONFIG, CALLER: _CALLER.replace("@bin@", to_bin)}
        return "".join(texts[name] for name in self.env)

    def as_json(self) -> dict[str, object]:
        """Return the wrapper's part of ``generation.json``."""
        return {"env": list(self.env), **({"checked_by": self.checked_by} if self.checked_by else {})}

    @classmethod
    def parse(cls, entry: object) -> Wrapper:
        """Read that part; what this tool did not write is a DocumentError."""
        env = entry.get("env") if isinstance(entry, dict) else None
        checked_by = entry.get("checked_by", "") if isinstance(entry, dict) else None
        if not isinstance(env, list) or not set(INJECTED).issuperset(env) or not isinstance(checked_by, str):
            raise DocumentError("is damaged")
        if "\0" in checked_by or len(checked_by) > _LONGEST_PATH:
            raise DocumentError("is damaged")
        return cls(tuple(env), checked_by)


def wrapped_digest(head: bytes) -> str | None:
    """Return the digest (64 hex digits) of the executable that a wrapper runs, by the *head* of its file, else None."""
    if not head.startswith(_START):
        return None
    line, newline, _ = head[len(_START) :].partition(b"\n")
    digest = line.rpartition(b" sha256:")[2]
    if not newline or len(digest) != _HASH_DIGITS or not _HEX.issuperset(digest):
        return None
    return digest.decode("ascii")


def _quoted(path: str) -> str:
    """Return *path* as one word of sh."""
    return "'" + path.replace("'", "'\\''") + "'"
