"""The launcher: the script that a plugin's wheel ships for each binary. Text only; its cold path is ``launch``.

It is sh and Python at once. Its warm path forks nothing: it tests for the active generation's file for the request that
the wheel was built with, and executes it. So a wheel with a new manifest (another hash) never runs an old binary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer import INSTALL_SOURCE
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from d8_installer.model.digest import Digest

PROFILE_LINK = ".d8-profile"
"""The link in a project's virtual environment that leads to the directory of its profile (`store.profile_link`)."""
HEAD_BYTES = 256
"""As much of a file as ``read_launcher`` needs."""
_START = b"#!/bin/sh\n# d8-installer launcher: "
_MAX_NAME = 64
_HASH_DIGITS = 64
_HEX = frozenset(b"0123456789abcdef")

# The home is D8_INSTALLER_HOME, or else below XDG_DATA_HOME; a relative value of the latter counts as unset. The warm
# path runs only the user's own files; for others, the cold path decides, since a shell cannot tell root's files from a
# stranger's. The cold path tests each Python before it executes it, because a Python may be gone, or be another version
# that does not know this environment. It tries, in this order: the environment's Python; without pyvenv.cfg (a user
# site, `pip --target` and `--prefix`) d8-installer's script beside this one, and then the interpreter of that script
# with the library as an argument; and at last d8-installer on PATH. What ``main`` returns is the exit code: a wheel is
# older or newer than the d8-installer beside it, whose ``main`` need not end the process.
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
[ -x "$p/$b" ] || p=$p/../../runs/@request@
[ -x "$p/$b" ] && [ -O "$p/$b" ] && unset D8_RPP_TOKEN && exec "$p/$b" "$@"
s=$(readlink -f "$0") || s=$0
d=${s%/*}
e=${d%/*}
works() { "$@" </dev/null >/dev/null 2>&1; }
if [ -f "$e/pyvenv.cfg" ]; then
  works "$d/python" -I -c 'import d8_installer.launch' &&
    exec "$d/python" -I -c 'from d8_installer.launch import main; raise SystemExit(main())' @request@ @binary@ "$0" "$@"
elif [ -f "$d/d8-installer" ]; then
  works "$d/d8-installer" --version && exec "$d/d8-installer" launch @request@ @binary@ "$0" "$@"
  { IFS= read -r l; IFS= read -r m; } <"$d/d8-installer"
  case $l in
    '#!/bin/sh'*) m=${m#*exec?[ ]?}; i=${m%%[\\"\\']*} ;;
    *) l=${l#??}; i=${l%% *} ;;
  esac
  [ -z "$ZSH_VERSION" ] || setopt nonomatch
  for l in "$e" "$e"/lib*/python3*/*-packages; do
    c='import sys; sys.path[1:1] = [sys.argv.pop(1)]; from d8_installer.launch import main'
    [ -f "$l/d8_installer/launch.py" ] && works "$i" -I -c "$c" "$l" &&
      exec "$i" -I -c "$c; sys.exit(main())" "$l" @request@ @binary@ "$0" "$@"
  done
fi
works d8-installer --version && exec d8-installer launch @request@ @binary@ "$0" "$@"
n=${e##*/}
k=$(printf '\\140')
h="type ${k}pipx install @source@$k"
m="@binary@ needs d8-installer, which works neither beside $s nor on PATH"
if [ -f "$e/pyvenv.cfg" ]; then
  h="type ${k}python3 -m venv --clear '$e'$k, then install the plugin there again"
  m="@binary@ cannot start: the Python of $e is gone, or was replaced by another version"
fi
[ -f "$e/uv-receipt.toml" ] && h="type ${k}uv tool install --reinstall $n$k"
if [ -f "$e/pipx_metadata.json" ]; then
  h="type ${k}pipx reinstall $n$k"
  case $e in "${PIPX_GLOBAL_HOME:-/opt/pipx}"/*) h="type ${k}sudo pipx reinstall --global $n$k" ;; esac
fi
echo "error[no-d8-installer]: $m" >&2
echo "hint: $h" >&2
exit 78
'''
import sys

from d8_installer.launch import main

sys.exit(main(["@request@", "@binary@", *sys.argv]))
"""


def launcher(binary: str, request: Digest) -> str:
    """Return the launcher of *binary* for the request with the hash *request* (``Request.hash``)."""
    text = _TEXT.replace("@source@", INSTALL_SOURCE)
    return text.replace("@link@", PROFILE_LINK).replace("@binary@", binary).replace("@request@", request.hex)


class Launched(Struct, frozen=True):
    """What a launcher launches: the name of its binary, and the hash (64 hex) of its request."""

    binary: str
    request: str


def read_launcher(head: bytes) -> Launched | None:
    """Return what a launcher launches, by the *head* of its file, or None if the file is not a launcher."""
    if not head.startswith(_START):
        return None
    line, newline, _ = head[len(_START) :].partition(b"\n")
    binary, _, request = line.partition(b" sha256:")
    is_name = len(binary) <= _MAX_NAME and binary.split() == [binary]
    if not newline or not is_name or len(request) != _HASH_DIGITS or not _HEX.issuperset(request):
        return None
    return Launched(binary.decode("utf-8", "replace"), request.decode("ascii"))
