"""The launcher: the script that a plugin's wheel ships for each binary. Text only; its cold path is ``launch``.

It is sh and Python at once. Its warm path forks nothing: one test and one ``exec`` of the active generation's file for
the request that the wheel was built with, so that a new manifest (another hash) never runs what an old one asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from d8_installer import INSTALL_SOURCE

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest

PROFILE_LINK = ".d8-profile"
"""The link in a project's virtual environment that leads to its profile's directory."""
_HEAD = re.compile(rb"#!/bin/sh\n# d8-installer launcher: (\S{1,64}) sha256:([0-9a-f]{64})\n")
HEAD_BYTES = 256
"""As much of a file as ``request_of`` has to see."""

# Where there is no pyvenv.cfg (a user site, a system's Python), the interpreter is the one that d8-installer's own
# script beside this one names. The home is DESIGN's: D8_INSTALLER_HOME, else XDG's, where a relative value counts as
# unset. A file that is another user's is for the cold path to judge: a shell cannot tell root's from a stranger's.
_TEXT = """\
#!/bin/sh
# d8-installer launcher: @binary@ sha256:@request@
''':'
b=current/req/@request@/@binary@
p=${0%/*}/../@link@
q=
if [ ! -h "$0" ] && [ -h "$p" ] && [ -f "$p/project" ]; then IFS= read -r q <"$p/project"; fi
if [ ! -f "$q/d8.toml" ]; then
  p=$D8_INSTALLER_HOME
  case $p in '~' | '~/'*) p=$HOME${p#?} ;; esac
  if [ -z "$p" ]; then
    case $XDG_DATA_HOME in
      /*) p=$XDG_DATA_HOME/d8-installer ;;
      *) p=$HOME/.local/share/d8-installer ;;
    esac
  fi
  p=$p/profiles/user
fi
[ -x "$p/$b" ] && [ -O "$p/$b" ] && unset D8_RPP_TOKEN && exec "$p/$b" "$@"
s=$(readlink -f "$0") || s=$0
d=${s%/*}
if [ -f "$d/../pyvenv.cfg" ] && [ -x "$d/python" ]; then
  exec "$d/python" -I -m d8_installer.launch @request@ @binary@ "$0" "$@"
fi
[ -x "$d/d8-installer" ] && exec "$d/d8-installer" launch @request@ @binary@ "$0" "$@"
command -v d8-installer >/dev/null && exec d8-installer launch @request@ @binary@ "$0" "$@"
echo "error: @binary@ needs d8-installer, which is neither beside $s nor on PATH" >&2
echo "hint: type pipx install @source@" >&2
exit 78
'''
import sys

from d8_installer.launch import main

sys.exit(main(["@request@", "@binary@", *sys.argv]))
"""


def launcher(binary: str, request: Digest) -> str:
    """Return the launcher of *binary* for the request whose hash is *request* (``Request.hash``)."""
    text = _TEXT.replace("@source@", INSTALL_SOURCE)
    return text.replace("@link@", PROFILE_LINK).replace("@binary@", binary).replace("@request@", request.hex)


def request_of(head: bytes) -> tuple[str, str] | None:
    """Return the binary's name and the request's hash (64 hex) of a file that begins as a launcher, or None."""
    match = _HEAD.match(head)
    return None if match is None else (match[1].decode("utf-8", "replace"), match[2].decode("ascii"))
