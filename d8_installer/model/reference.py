"""Names from outside: images, tags, manifest references, binaries, files in images.

Each passes its grammar here before it becomes a path or a URL.
"""

from __future__ import annotations

import re
from functools import cache

from d8_installer.errors import DocumentError, UsageError
from d8_installer.model.shell_words import quoted
from d8_installer.model.value import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CLI_IMAGE = "deckhouse-cli"
PLUGIN_ROOT = "deckhouse-cli/plugins/"

_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_ALPHANUMERIC = _LOWER + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_JOINTS = "._-"
# Every name of a lock passes here, and every run pays for what is compiled: no regular expression for the plain ones.
_NOT_IN_A_FILE_NAME = frozenset([*map(chr, range(32)), "\x7f", "/", "\\"])

# Microsoft, "Naming Files, Paths, and Namespaces"; the digits 1 to 3 count as superscripts, too.
_DEVICES = frozenset(["con", "prn", "aux", "nul", "conin$", "conout$"])
_PORTS = frozenset("123456789\xb9\xb2\xb3")
_PATH_LIMIT = 1024
_NAME_LENGTH, _TAG_LENGTH, _BINARY_LENGTH, _FILE_LENGTH = 128, 128, 64, 255


@cache
def _tools() -> re.Pattern[str]:
    """Match the commands that install and run Python itself (uv refuses the first three as scripts), and this tool."""
    return re.compile(r"(?:python|pypy|graalpy)[0-9.]*w?|pip[0-9.]*|pipx|uvx?|d8-installer", re.ASCII)


@cache
def _requirement() -> re.Pattern[str]:
    return re.compile(r"([a-z0-9]+(?:[._-][a-z0-9]+)*)(.*)", re.ASCII | re.DOTALL)


def is_image_name(text: str) -> bool:
    """Whether *text* is the short name of a plugin's image (rpp.md §4.1, plugin name)."""
    if not 0 < len(text) <= _NAME_LENGTH or text.strip(_LOWER + _JOINTS) or text[0] in _JOINTS or text[-1] in _JOINTS:
        return False
    return "--" not in text.replace(".", "-").replace("_", "-")


def is_tag(text: str) -> bool:
    """Whether *text* is a tag (OCI distribution-spec; rpp.md §4.1). Build metadata (``+``) can never be asked for."""
    return 0 < len(text) <= _TAG_LENGTH and text[0] not in ".-" and not text.strip(_ALPHANUMERIC + _JOINTS)


def is_manifest_ref(text: str) -> bool:
    """Whether *text* may follow ``/manifests/``: a tag or a digest (rpp.md §4.1)."""
    return is_tag(text) or (len(text) <= 256 and bool(re.fullmatch("[a-z0-9]+:[a-fA-F0-9]{32,}", text)))


def is_allowed_image(image: str) -> bool:
    """Whether the proxy serves *image*: the CLI, or one segment below its plugins (rpp.md §2.2).

    As in the original, the segment's grammar is not checked: a bad segment fails later, at the registry.
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
                code="bad-name",
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
        match = _requirement().fullmatch(text.strip())
        named = f"type the name alone: {match[1]}" if match is not None else error.hint
        raise UsageError(error.problem, hint=named, code="bad-requirement") from error


def parse_binary_name(text: object) -> str:
    """Return *text* if it may name a file in ``bin``; anything else is a DocumentError.

    Lower case only (two names must differ on every file system), no trailing dot, no Windows device name
    whatever its extension.
    """
    if not isinstance(text, str) or not _is_binary_name(text):
        raise DocumentError(
            f"{str(text)[:100]!r} is not a binary name",
            hint="use up to 64 of a-z 0-9 . _ + -, beginning with a letter or digit, not ending with a dot",
            code="bad-name",
        )
    if is_device(text):
        raise DocumentError(f"{text!r} is a device name on Windows", hint="choose another binary name", code="bad-name")
    return text


def is_device(name: str) -> bool:
    """Whether *name* is a device's on Windows, whatever follows its first dot."""
    stem = name.partition(".")[0].rstrip(" ").lower()
    return stem in _DEVICES or (len(stem) == 4 and stem[:3] in {"com", "lpt"} and stem[3] in _PORTS)


def _is_binary_name(text: str) -> bool:
    has_ends = 0 < len(text) <= _BINARY_LENGTH and text[0] in _LOWER and text[-1] != "."
    return has_ends and not text.strip(f"{_LOWER}{_JOINTS}+")


def file_clashes(binaries: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each of *binaries* that has the same file in ``bin`` on Windows as another one: ``x`` and ``x.exe``."""
    names = dict.fromkeys(binaries)
    longer = ((f"{name}.exe", name) for name in names)
    return ((name, long) for long, name in longer if long in names)


def is_never_a_plugins(binary: str) -> bool:
    """Whether a plugin may not take the name *binary* in ``bin`` by itself: it runs Python, or a tool of Python's."""
    return _tools().fullmatch(binary.removesuffix(".exe")) is not None


def parse_member_name(text: object) -> str:
    """Return *text* if it can be the base name of a file in an image; anything else is a DocumentError."""
    if not isinstance(text, str) or not _is_file_name(text):
        raise DocumentError(
            f"{str(text)[:100]!r} is not a file name in an image",
            hint="write its base name only, such as plugin",
            code="bad-name",
        )
    return text


def _is_file_name(text: str) -> bool:
    return 0 < len(text) <= _FILE_LENGTH and _NOT_IN_A_FILE_NAME.isdisjoint(text) and text not in {".", ".."}


def parse_member(text: object) -> str:
    """Return a manifest's name of a file in an image in its one spelling; anything else is a DocumentError.

    It is either a base name (``plugin``), which only one file of the image may have, or a path from the image's root
    (``usr/bin/d8``, ``/plugin`` for a file at the root). It is compared with names in archives and never becomes a
    path on this machine. The Go client knows base names only, and takes the first such file (rpp.md §4.6).
    """
    if not isinstance(text, str) or "/" not in text:
        return parse_member_name(text)
    parts = text.removeprefix("/").split("/")
    if len(text) > _PATH_LIMIT or not all(map(_is_file_name, parts)):
        raise DocumentError(
            f"{text[:100]!r} is not a path in an image",
            hint="write it from the image's root, such as usr/bin/d8: no . or .., and no slash twice or at the end",
            code="bad-name",
        )
    return "/".join(parts) if len(parts) > 1 else f"/{parts[0]}"


class TypedImage(Struct, frozen=True):
    """An image as a person typed it: its name, and the range or "".

    ``is_newest``: the newest version of the range is meant, although an older one may be locked. That is so for
    ``NAME@latest``, and for a part of a version, as in ``NAME@1.4``.
    """

    name: ImageName
    specifier: str
    is_newest: bool = False


def typed_image(text: str) -> TypedImage:
    """Read ``NAME[SPEC]`` or ``NAME@V``, split at the first character outside the name grammar.

    ``NAME@V`` is ``NAME==V``; a part of a version is ``==V.*``, another tag ``===V``, and ``latest`` is ``*``. A bad
    name is a UsageError, and so is ``NAME:V``, whose hint has the same in our spelling.
    """
    match = _requirement().fullmatch(text.strip().removeprefix(PLUGIN_ROOT))
    if match is None or len(match[1]) > _NAME_LENGTH:
        raise UsageError(f"{text[:100]!r} is not a requirement", hint=_requirement_hint(text), code="bad-requirement")
    name, spec = match[1], match[2].strip()
    if spec[:1] == ":":
        raise UsageError(
            f"{text[:100]!r} is not a requirement", hint=_joined_hint(name, spec[1:].strip()), code="bad-requirement"
        )
    if spec[:1] == "/":
        raise UsageError(
            f"{text[:100]!r} is not a requirement",
            hint="type the last part of the name alone, and --from oci://HOST/ROOT for the registry: the image NAME is "
            f"at HOST/ROOT/{PLUGIN_ROOT}NAME there",
            code="bad-requirement",
        )
    if spec[:1] == "@":
        return _at(name, spec[1:].strip())
    return TypedImage(ImageName(name), spec)


def split_requirement(text: str) -> tuple[ImageName, str]:
    """Return the name and the range, which may be "", of what ``typed_image`` reads."""
    typed = typed_image(text)
    return typed.name, typed.specifier


def part_of_version(text: str) -> str | None:
    """Return the numbers of a part of a version (``1``, ``v1.4``, ``1.4.x``), without wildcards, or None."""
    found = re.fullmatch(r"(v?[0-9]+(?:\.[0-9]+)?)((?:\.[xX*])*)", text, re.ASCII)
    return None if found is None or found[0].count(".") > 2 else found[1]


def _at(name: str, version: str) -> TypedImage:
    """Return what ``NAME@V`` means."""
    if version == "latest":
        return TypedImage(ImageName(name), "*", is_newest=True)
    if (part := part_of_version(version)) is not None:
        return TypedImage(ImageName(name), f"=={part}.*", is_newest=True)
    if version[:1] and version[0] in "<>=!~^*":
        return TypedImage(ImageName(name), version)
    if version.removeprefix("v")[:1].isdecimal():
        return TypedImage(ImageName(name), f"=={version}")
    if not is_tag(version):
        raise UsageError(
            f"{f'{name}@{version}'[:100]!r} is not a requirement",
            hint=_joined_hint(name, version),
            code="bad-requirement",
        )
    return TypedImage(ImageName(name), f"==={version}")


def _requirement_hint(text: str) -> str:
    lower = text.strip().lower()
    if lower != text.strip() and _requirement().fullmatch(lower):
        return f"names of images are lower-case: type {quoted(lower)}"
    return f"write a name and a range, such as {quoted('stronghold>=1.4,<2')}"


def _joined_hint(name: str, version: str) -> str:
    if version == "":
        return f"without a range the newest stable version is taken: type {name}"
    if not is_tag(version):
        return f"write a name and a range, such as {quoted(f'{name}>=1.4,<2')}"
    return f"a version is joined with @: type {quoted(f'{name}@{version}')}"
