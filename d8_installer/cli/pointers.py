"""The hint for a word that is not known here: what the person may mean, by the habits of other tools."""

from __future__ import annotations

import re

from d8_installer.cli.verbs import VERBS
from d8_installer.model.shell_words import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

PROGRAM = "d8-installer"
PHRASES = {
    "activate": "env",
    "audit": "verify",
    "autoremove": "gc",
    "bin": "env",
    "check-update": "list --outdated",
    "ci": "sync --locked",
    "deps": "show NAME",
    "diff": "sync --dry-run",
    "explain": "lock --explain NAME",
    "environment": "doctor",
    "freeze": "export --format requirements",
    "hold": "install NAME==VERSION",
    "implode": "self uninstall",
    "inject": "pipx inject d8-installer PACKAGE",
    "lint": "manifest check",
    "load": "sync --frozen --from bundle:FILE",
    "local": "add NAME",
    "mirror": "bundle create -o FILE",
    "outdated": "list --outdated",
    "pin": "install NAME==VERSION",
    "plan": "sync --dry-run",
    "reinstall": "verify --fix",
    "reinstall-all": "verify --fix",
    "repair": "verify --fix",
    "repo": "config set endpoint URL",
    "rollout": "rollback",
    "runpip": "pipx runpip d8-installer ARGS",
    "save": "bundle create -o FILE",
    "schema": "manifest schema",
    "self-uninstall": "self uninstall",
    "serve": "proxy serve --from URL",
    "set": "config set KEY VALUE",
    "source": "config set endpoint URL",
    "tree": "list",
    "trust": "config set safe_directories DIR",
    "uninstall-all": "self uninstall",
    "unpin": "install NAME@latest",
    "unset": "config unset KEY",
    "update-all": "upgrade --all",
    "update-shell": "ensurepath",
    "upgrade-all": "upgrade --all",
    "validate": "manifest check",
    "whoami": "doctor",
    "why": "lock --explain NAME",
}
"""Words of other tools that take more than a command here. The others are in ``Verb.other_words``."""
_FAMILIES = frozenset(["app", "dist", "image", "krew", "package", "pkg", "plugin", "tool"])
"""Words that only stand before a command elsewhere: ``uv tool install``, ``d8 dist plugins list``."""
_OF_A_PERSON = {"add": "install", "remove": "uninstall"}
"""Words that mean the project here, and what is a person's own after one of these."""
_ITSELF = frozenset(["self-update", "self-upgrade", "selfupdate", "update-self"])
_ALL = {"upgrade": "upgrade --all", "uninstall": "uninstall NAME"}
"""What to type here for d8's ``update all`` and ``remove all``."""
_KINDS = frozenset(["all", "images", "packages", "plugins", "tools"])
"""What follows kubectl's ``get``, which lists them."""
WAYS = {
    "bundle": {"build": "create", "export": "create", "new": "create", "save": "create"}
    | dict.fromkeys(["import", "install", "load"], "sync --frozen --from bundle:FILE"),
    "config": {"add": "set", "edit": "path", "file": "path"}
    | dict.fromkeys(["ls", "show", "view"], "list")
    | dict.fromkeys(["delete", "remove", "rm"], "unset"),
    "manifest": dict.fromkeys(["create", "new"], "init") | dict.fromkeys(["lint", "validate", "verify"], "check"),
    "plugins": {"ls": "list", "on": "enable", "off": "disable"},
    "proxy": dict.fromkeys(["run", "start", "up"], "serve --from URL"),
    "self": dict.fromkeys(["delete", "remove", "rm"], "uninstall"),
}
"""What follows a command elsewhere: the way of the same command here, or another command."""
OPTIONS = {
    "--all-platforms": "`d8-installer lock` pins every platform by itself",
    "--arch": "type --platform OS-ARCH, such as --platform linux-arm64",
    "-g": "leave it out: `d8-installer install` means your own profile, in every directory",
    "--check": "type `d8-installer lock --check`, or --dry-run",
    "--debug": "type -v",
    "--force": "type `d8-installer verify --fix`, which fetches again what is damaged",
    "--format": "type --json",
    "--frozen-lockfile": "type `d8-installer sync --locked`",
    "--index-url": "type --from URL",
    "--latest": "type `d8-installer upgrade NAME`, or without a range `d8-installer install NAME@latest`",
    "--output": "type --json",
    "--pre": "name a pre-release in the range, such as `d8-installer install NAME@1.5.0-rc.1`",
    "--registry": "type --from oci://HOST/PATH",
    "--save-dev": "leave it out: a project has one set of tools",
    "--silent": "type -q",
    "--system": "type --global",
    "--token": "type `d8-installer login`, or --token-file FILE: others can read an argument",
    "--username": "for a registry, type `docker login HOST`; `d8-installer login` keeps a token, and asks for no name",
    "--upgrade": "type `d8-installer upgrade NAME`",
    "--version": "a version is joined with @, such as stronghold@1.4.2",
    "--yes": "leave it out: nothing is asked",
}
"""Options of other tools, and what to do here."""
_SAME = {
    "-D": "--save-dev",
    "-U": "--upgrade",
    "-u": "--username",
    "-f": "--force",
    "-i": "--index-url",
    "-o": "--output",
    "-y": "--yes",
    "--immutable": "--frozen-lockfile",
    "--output-file": "--output",
    "--prerelease": "--pre",
    "--dev": "--save-dev",
    "--reinstall": "--force",
}
_TO_A_FILE = "send the output to a file: `d8-installer export --format requirements > FILE`"
_NEAR = 0.75
_WAY = "COMMAND|create|serve|uninstall"
_UNKNOWN_WAY = re.compile(rf"argument (?:{_WAY}): invalid choice: '([^']*)' \(choose from (.*)\)")
_UNKNOWN_OPTION = re.compile(r"unrecognized arguments: (-[^\s=]+)")


def pointer(word: str, following: Sequence[str]) -> str:
    """Return the hint for the unknown command *word*, after which *following* was typed.

    It names the command that does what *word* does elsewhere, with the names that were typed, or else the command that
    is spelled most like it.
    """
    names = [argument for argument in following if not argument.startswith("-")]
    if word in _ITSELF:
        return _upgrade_of_itself()
    if word in PHRASES:
        return f"type `{PROGRAM} {_with_names(PHRASES[word], names)}`"
    if word == "plugin" and names and names[0] in {"enable", "disable"}:
        return f"type `{PROGRAM} {_with_names(f'plugins {names[0]} NAME', names[1:])}`"
    if word in _FAMILIES and names:
        return _of_family(names, following)
    verb = next((verb for verb in VERBS.values() if word in verb.other_words), None)
    if verb is None:
        import difflib

        near = difflib.get_close_matches(word, [*VERBS, "help", "version"], n=1)
        return f"did you mean `{PROGRAM} {near[0]}`?" if near else f"see `{PROGRAM} --help`"
    if not verb.takes_name:
        return f"type `{PROGRAM} {verb.name}`"
    if names == ["all"] and verb.name in _ALL:
        return f"type `{PROGRAM} {_ALL[verb.name]}`"
    if word == "get" and names and set(names) <= _KINDS:
        return f"type `{PROGRAM} list`"
    has_version = verb.name != "use" or any("@" in name for name in names[:1])
    words = f"{verb.name} NAME" if has_version else "use NAME VERSION"
    listed = f", or `{PROGRAM} list` for what is installed" if verb.name == "versions" else ""
    return f"type `{PROGRAM} {_with_names(words, names)}`{listed}"


def _with_names(words: str, names: Sequence[str]) -> str:
    """Return a command with the typed names in the place of NAME, and with a second one in that of VERSION."""
    if not names or not all(map(str.isprintable, names)):
        return words
    if words.endswith("NAME==VERSION") and (len(names) > 1 or "@" in names[0] or "=" in names[0]):
        return words.replace("NAME==VERSION", quoted("==".join(names[:2])))
    if words.endswith(" NAME VERSION") and len(names) > 1:
        words, names = words.removesuffix(" VERSION"), names[:2]
    return words.replace("NAME", " ".join(map(quoted, names)), 1)


def _of_family(names: Sequence[str], following: Sequence[str]) -> str:
    """Return the hint for ``tool install NAME`` and such: what follows the word may be a command here."""
    command, rest = names[0], list(following)
    rest.remove(command)
    if command == "plugins" and rest and rest[0] in {*VERBS, *PHRASES, *_other_words()}:
        command = rest.pop(0)
    command = _OF_A_PERSON.get(command, command)
    if command not in VERBS:
        return pointer(command, rest)
    if not rest and VERBS[command].takes_name:
        rest = ["NAME"]
    typed = " ".join(map(quoted, rest)) if all(map(str.isprintable, rest)) else ""
    return f"type `{PROGRAM} {command} {typed}".rstrip() + "`"


def _other_words() -> list[str]:
    return [word for verb in VERBS.values() for word in verb.other_words]


def _upgrade_of_itself() -> str:
    from d8_installer.plugin.self_installation import running, to_upgrade

    command = to_upgrade(running())
    about = ", where WHEEL is the file of the newer version" if command.endswith(" WHEEL") else ""
    return f"what installed {PROGRAM} upgrades it: type `{command}`{about}"


def complaint(program: str, message: str, options: Collection[str]) -> tuple[str, str]:
    """Return what argparse says against a command line of *program* as we say it, and the hint.

    *options* are those that *program* has, for a misspelled one.
    """
    if (way := _UNKNOWN_WAY.match(message)) is not None:
        known = re.sub("[\"']", "", way[2])
        return f"{way[1][:60]!r} is not a command of {program}", _pointer_to_way(program, way[1], known)
    if (option := _UNKNOWN_OPTION.match(message)) is not None:
        return message, _pointer_to_option(program, option[1], options)
    return message, f"see `{program} --help`"


def _pointer_to_way(program: str, way: str, known: str) -> str:
    command = program.rpartition(" ")[2]
    if command == "self" and way in {"update", "upgrade"}:
        return _upgrade_of_itself()
    there = WAYS.get(command, {}).get(way)
    if there is not None:
        is_way = there.split()[0] in known.split(", ")
        return f"type `{f'{program} {there}' if is_way else f'{PROGRAM} {there}'}`"
    if command == "plugins":
        return _of_family([way], [way]) if way in VERBS else pointer(way, ())
    return f"type one of {known}, such as `{program} {known.split(', ')[0]}`"


def _pointer_to_option(program: str, option: str, options: Collection[str]) -> str:
    option = _SAME.get(option, option)
    if option == "--output" and program.endswith(" export"):
        return _TO_A_FILE
    if option in OPTIONS:
        return OPTIONS[option]
    import difflib

    near = difflib.get_close_matches(option, options, n=1, cutoff=_NEAR) if option.startswith("--") else []
    return f"did you mean {near[0]}?" if near else f"see `{program} --help`"
