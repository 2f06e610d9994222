"""Names from outside: images, tags, manifest references, binaries.

Each passes its grammar here before it becomes a path or a URL.
"""

from __future__ import annotations

import re
import shlex

from d8_installer.errors import DocumentError, UsageError
from d8_installer.model.value import Struct

CLI_IMAGE = "deckhouse-cli"
PLUGIN_ROOT = "deckhouse-cli/plugins/"

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"[a-z0-9]+:[a-fA-F0-9]{32,}", re.ASCII)
_BINARY = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}", re.ASCII)
_FILE = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}")
_REQUIREMENT = re.compile(r"([a-z0-9]+(?:[._-][a-z0-9]+)*)(.*)", re.ASCII | re.DOTALL)

_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))],
)
_NAME_LIMIT = 128
_PATH_LIMIT = 1024
# What installs and runs Python itself (uv refuses the first three as scripts), and this tool.
_TOOLS = re.compile(r"(?:python|pypy|graalpy)[0-9.]*w?|pip[0-9.]*|pipx|uvx?|d8-installer", re.ASCII)


def is_image_name(text: str) -> bool:
    """Whether *text* is the short name of a plugin's image (rpp.md §4.1, plugin name)."""
    return len(text) <= _NAME_LIMIT and _NAME.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether *text* is a tag (OCI distribution-spec; rpp.md §4.1). Build metadata (``+``) can never be asked for."""
    return _TAG.fullmatch(text) is not None


def is_manifest_ref(text: str) -> bool:
    """Whether *text* may follow ``/manifests/``: a tag or a digest (rpp.md §4.1)."""
    return is_tag(text) or (len(text) <= 256 and _DIGEST.fullmatch(text) is not None)


def is_allowed_image(image: str) -> bool:
    """Whether the proxy serves *image*: the CLI, or one segment below its plugins (rpp.md §2.2).

    The segment's grammar is not looked at, as in the original: a bad one fails later, at the registry.
    """
    plugin = image.removeprefix(PLUGIN_ROOT)
    return image == CLI_IMAGE or (plugin != image and plugin != "" and "/" not in plugin)


class ImageName(Struct, frozen=True, order=True):
    """The short name of an image: ``deckhouse-cli``, or that of a plugin's image."""

    short: str

    @classmethod
    def parse(cls, text: object) -> ImageName:
        """Read a short name; anything outside the grammar is a DocumentError."""
        if not isinstance(text, str) or not is_image_name(text):
            raise DocumentError(
                f"{str(text)[:100]!r} is not an image name",
                hint="use lower-case letters and digits, joined by single dots, dashes or underscores",
            )
        return cls(text)

    @property
    def path(self) -> str:
        """The repository below the registry's root: what the proxy calls ``<image>``."""
        return self.short if self.short == CLI_IMAGE else PLUGIN_ROOT + self.short

    @property
    def default_binary(self) -> tuple[str, str]:
        """The binary's name and its file in the image when a manifest names none (rpp.md §5)."""
        return ("d8", "d8") if self.short == CLI_IMAGE else (self.short, "plugin")

    def __str__(self) -> str:
        return self.short


def image_name(text: str) -> ImageName:
    """Return the image that a person typed, by its short name or its path; a bad name is a UsageError."""
    try:
        return ImageName.parse(text.removeprefix(PLUGIN_ROOT))
    except DocumentError as error:
        match = _REQUIREMENT.fullmatch(text.strip())
        named = f"type the name alone: {match[1]}" if match is not None else error.hint
        raise UsageError(error.problem, hint=named) from error


def parse_binary_name(text: object) -> str:
    """Return *text* if it may name a file in ``bin``; else a DocumentError.

    Lower case only (two names must differ on every file system), no trailing dot, no Windows device name
    whatever its extension.
    """
    if not isinstance(text, str) or not _BINARY.fullmatch(text) or text.endswith("."):
        raise DocumentError(
            f"{str(text)[:100]!r} is not a binary name",
            hint="use up to 64 of a-z 0-9 . _ + -, beginning with a letter or digit, not ending with a dot",
        )
    if text.split(".")[0] in _DEVICES:
        raise DocumentError(f"{text!r} is a device name on Windows", hint="choose another binary name")
    return text


def is_never_a_plugins(binary: str) -> bool:
    """Whether no plugin gets the binary name *binary* in ``bin`` by itself: it is that of a Python or of its tools."""
    return _TOOLS.fullmatch(binary.removesuffix(".exe")) is not None


def parse_member_name(text: object) -> str:
    """Return *text* if it can be the base name of a file in an image; else a DocumentError."""
    if not isinstance(text, str) or not _FILE.fullmatch(text) or text in {".", ".."}:
        raise DocumentError(
            f"{str(text)[:100]!r} is not a file name in an image",
            hint="write its base name only, such as plugin",
        )
    return text


def parse_member(text: object) -> str:
    """Return what a manifest calls a file in an image, in its one spelling; else a DocumentError.

    Either a base name (``plugin``), which only one file of the image may have, or a path from the image's root
    (``usr/bin/d8``, ``/plugin`` for a file at the root). It is compared with names in archives, and never becomes a
    path of ours. The Go client knows base names only, and takes the first file of that name (rpp.md §4.6).
    """
    if not isinstance(text, str) or "/" not in text:
        return parse_member_name(text)
    parts = text.removeprefix("/").split("/")
    if len(text) > _PATH_LIMIT or not all(_FILE.fullmatch(part) and part not in {".", ".."} for part in parts):
        raise DocumentError(
            f"{text[:100]!r} is not a path in an image",
            hint="write it from the image's root, such as usr/bin/d8: no . or .., and no slash twice or at the end",
        )
    return "/".join(parts) if len(parts) > 1 else f"/{parts[0]}"


def split_requirement(text: str) -> tuple[ImageName, str]:
    """Split ``NAME[SPEC]`` at the first character outside the name grammar.

    Returns the name and the specifier's text, which may be empty. A bad name is a UsageError; so is a version that is
    joined as other tools join it (``NAME@1.2``, ``NAME:v1.2``), with the same in our spelling.
    """
    match = _REQUIREMENT.fullmatch(text.strip().removeprefix(PLUGIN_ROOT))
    if match is None or len(match[1]) > _NAME_LIMIT:
        raise UsageError(f"{text[:100]!r} is not a requirement", hint=_requirement_hint(text))
    name, spec = match[1], match[2].strip()
    if spec[:1] in {"@", ":"}:
        raise UsageError(f"{text[:100]!r} is not a requirement", hint=_joined_hint(name, spec[1:].strip()))
    return ImageName(name), spec


def _requirement_hint(text: str) -> str:
    lower = text.strip().lower()
    if lower != text.strip() and _REQUIREMENT.fullmatch(lower):
        return f"names of images are lower-case: type {shlex.quote(lower)}"
    return "write a name and a range, such as 'stronghold>=1.4,<2'"


def _joined_hint(name: str, version: str) -> str:
    if version in {"", "latest"}:
        return f"without a range the newest stable version is taken: type {name}"
    if not is_tag(version):
        return f"write a name and a range, such as '{name}>=1.4,<2'"
    return f"a version is joined with ==: type {shlex.quote(f'{name}=={version}')}"
