"""What the command line answers to words and spellings that people bring from other tools."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from d8_installer import __version__
from d8_installer.cli.parser import UnknownCommandError, parse
from d8_installer.cli.pointers import PHRASES, WAYS
from d8_installer.cli.verbs import VERBS
from d8_installer.errors import DocumentError, UsageError
from d8_installer.model.platform import Platform, typed_platform, wanted_platform
from d8_installer.model.reference import image_name, split_requirement
from d8_installer.model.version import Specifier
from tests.command import PROGRAM, printed_help, run
from tests.images import add_image, executables
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.mark.parametrize("name", [*VERBS, "config set"])
def test_help_is_the_help_of_the_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = printed_help(capsys, "help", *name.split())
    assert page.startswith(f"usage: d8-installer {name}")
    if name not in {"pip", "pipx", "uv"}:  # their --help is the other program's
        assert page == printed_help(capsys, *name.split(), "--help")


@pytest.mark.parametrize("words", [("help",), ("help", "help"), ("help", "--json"), ("-q", "help")], ids=" ".join)
def test_help_alone_is_the_whole_help(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert printed_help(capsys, *words) == printed_help(capsys, "--help")


def test_the_version_of_an_image_is_no_option() -> None:
    for words in (("install", "ruff", "--version", "v1.0.0"), ("upgrade", "ruff", "--version=v1.0.0")):
        with pytest.raises(UsageError) as refused:
            parse(words)
        assert refused.value.hint == "a version is joined with @, such as stronghold@1.4.2"


@pytest.mark.parametrize("words", [("-V",), ("--version",), ("version",), ("version", "--json"), ("help", "version")])
def test_the_version(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert printed_help(capsys, *words) == f"d8-installer {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (("get", "ruff"), "type `d8-installer install ruff`"),
        (("get", "ruff>=1", "-q", "vault"), "type `d8-installer install 'ruff>=1' vault`"),
        (("get",), "type `d8-installer install NAME`"),
        (("get", "\x1b[2J"), "type `d8-installer install NAME`"),
        (("contract", "ruff"), "type `d8-installer show ruff`"),
        (("rm", "ruff"), "type `d8-installer uninstall ruff`"),
        (("update", "ruff"), "type `d8-installer upgrade ruff`"),
        (("tags", "ruff"), "type `d8-installer versions ruff`, or `d8-installer list` for what is installed"),
        (("info", "ruff"), "type `d8-installer show ruff`"),
        (("contract", "ruff"), "type `d8-installer show ruff`"),
        (("update", "all"), "type `d8-installer upgrade --all`"),
        (("rm", "all"), "type `d8-installer uninstall NAME`"),
        (("ls",), "type `d8-installer list`"),
        (("outdated",), "type `d8-installer list --outdated`"),
        (("instal", "x"), "did you mean `d8-installer install`?"),
        (("nonsense",), "see `d8-installer --help`"),
        (("help", "ls"), "type `d8-installer list`"),
    ],
)
def test_a_word_of_another_tool_points_to_the_command(typed: Sequence[str], hint: str) -> None:
    with pytest.raises(UnknownCommandError) as refused:
        parse(typed)
    assert refused.value.hint == hint


def test_every_pointer_leads_to_a_command_and_hides_none() -> None:
    words = [*PHRASES, *(word for verb in VERBS.values() for word in verb.other_words)]
    assert len(words) == len(set(words))
    assert not set(words) & VERBS.keys()
    for phrase in PHRASES.values():
        assert parse(phrase.split()).command == phrase.split()[0], phrase
    for verb, ways in WAYS.items():
        for there in ways.values():
            way = there.split()[0]
            with pytest.raises(SystemExit):
                parse([way, "--help"] if way == "sync" else [verb, way, "--help"])


# One table for each tool that people come from: what they type there, and what is to be typed here.
PIPX = {
    "inject d8-toy": "type `d8-installer pipx inject d8-installer PACKAGE`",
    "runpip x list": "type `d8-installer pipx runpip d8-installer ARGS`",
    "upgrade-all": "type `d8-installer upgrade --all`",
    "reinstall ruff": "type `d8-installer verify --fix`",
    "reinstall-all": "type `d8-installer verify --fix`",
    "uninstall-all": "type `d8-installer self uninstall`",
    "pin ruff": "type `d8-installer install ruff==VERSION`",
    "pin ruff 0.14.0": "type `d8-installer install ruff==0.14.0`",
    "pin ruff@0.14.0": "type `d8-installer install ruff@0.14.0`",
    "environment": "type `d8-installer doctor`",
    "unpin ruff": "type `d8-installer install ruff@latest`",
}
UV = {
    "tool install ruff@1.4": "type `d8-installer install ruff@1.4`",
    "tool install 'ruff<2' --dry-run": "type `d8-installer install 'ruff<2' --dry-run`",
    "tool install": "type `d8-installer install NAME`",
    "tool run ruff --x": "type `d8-installer run ruff --x`",
    "tool list": "type `d8-installer list`",
    "tool upgrade --all": "type `d8-installer upgrade --all`",
    "tool uninstall ruff": "type `d8-installer uninstall ruff`",
    "tool update-shell": "type `d8-installer ensurepath`",
    "tool": "see `d8-installer --help`",
    "uvx ruff": "type `d8-installer run ruff`",
    "cache clean": "type `d8-installer gc`",
    "tree": "type `d8-installer list`",
    "compile": "type `d8-installer lock`",
}
MISE = {
    "ls": "type `d8-installer list`",
    "ls-remote ruff": "type `d8-installer versions ruff`, or `d8-installer list` for what is installed",
    "search ruff": "type `d8-installer versions ruff`, or `d8-installer list` for what is installed",
    "latest ruff": "type `d8-installer versions ruff`, or `d8-installer list` for what is installed",
    "outdated": "type `d8-installer list --outdated`",
    "exec ruff": "type `d8-installer run ruff`",
    "x ruff": "type `d8-installer run ruff`",
    "local ruff@1": "type `d8-installer add ruff@1`",
    "global ruff@1": "type `d8-installer install ruff@1`",
    "where ruff": "type `d8-installer which ruff`",
    "current": "type `d8-installer list`",
    "activate": "type `d8-installer env`",
    "trust": "type `d8-installer config set safe_directories DIR`",
    "settings": "type `d8-installer config`",
    "set endpoint x": "type `d8-installer config set KEY VALUE`",
    "reshim": "type `d8-installer sync`",
    "prune": "type `d8-installer gc`",
    "implode": "type `d8-installer self uninstall`",
}
KUBECTL = {
    "get plugins": "type `d8-installer list`",
    "get ruff": "type `d8-installer install ruff`",
    "describe ruff": "type `d8-installer show ruff`",
    "delete ruff": "type `d8-installer uninstall ruff`",
    "apply": "type `d8-installer sync`",
    "diff": "type `d8-installer sync --dry-run`",
    "whoami": "type `d8-installer doctor`",
    "explain ruff": "type `d8-installer lock --explain ruff`",
    "rollout undo": "type `d8-installer rollback`",
    "plugin list": "type `d8-installer list`",
    "plugin": "type `d8-installer plugins`",
    "krew install ruff": "type `d8-installer install ruff`",
    "krew upgrade": "type `d8-installer upgrade NAME`",
    "krew info ruff": "type `d8-installer show ruff`",
}
D8 = {
    "dist plugins list": "type `d8-installer list`",
    "dist plugins install vault": "type `d8-installer install vault`",
    "dist plugins remove vault": "type `d8-installer uninstall vault`",
    "dist plugins update all": "type `d8-installer upgrade --all`",
    "dist plugins contract vault": "type `d8-installer show vault`",
    "plugins install vault": "type `d8-installer install NAME`",
    "plugins remove vault": "type `d8-installer uninstall NAME`",
    "plugins update vault": "type `d8-installer upgrade NAME`",
    "plugins ls": "type `d8-installer plugins list`",
}
OTHERS = {
    "ci": "type `d8-installer sync --locked`",
    "why ruff": "type `d8-installer lock --explain ruff`",
    "images": "type `d8-installer list`",
    "rmi ruff": "type `d8-installer uninstall ruff`",
    "pull ruff": "type `d8-installer install ruff`",
    "purge ruff": "type `d8-installer uninstall ruff`",
    "autoremove": "type `d8-installer gc`",
    "info ruff": "type `d8-installer show ruff`",
    "config show": "type `d8-installer config list`",
    "config rm endpoint": "type `d8-installer config unset`",
    "config foo": "type one of list, path, schema, get, set, unset, such as `d8-installer config list`",
    "manifest new": "type `d8-installer manifest init`",
    "manifest lint": "type `d8-installer manifest check`",
    "bundle save": "type `d8-installer bundle create`",
    "bundle load": "type `d8-installer sync --frozen --from bundle:FILE`",
    "proxy start": "type `d8-installer proxy serve --from URL`",
    "self remove": "type `d8-installer self uninstall`",
}
MISTYPED = {
    "install -U ruff": "type `d8-installer upgrade NAME`",
    "install ruff --force": "type `d8-installer verify --fix`, which fetches again what is damaged",
    "install ruff --dryrun": "did you mean --dry-run?",
    "install ruff --version=v1.0.0": "a version is joined with @, such as stronghold@1.4.2",
    "list -o json": "type --json",
    "list --format=json": "type --json",
    "upgrade --all -y": "leave it out: nothing is asked",
    "sync --frozen-lockfile": "type `d8-installer sync --locked`",
    "sync --nonsense": "see `d8-installer sync --help`",
    "ensurepat": "did you mean `d8-installer ensurepath`?",
}


@pytest.mark.parametrize(
    ("typed", "hint"),
    [item for table in (PIPX, UV, MISE, KUBECTL, D8, OTHERS, MISTYPED) for item in table.items()],
)
def test_what_people_type_elsewhere_leads_on(typed: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(shlex.split(typed))
    assert refused.value.hint == hint
    assert "invalid choice" not in refused.value.message


@pytest.mark.parametrize("typed", ["self update", "self upgrade", "self-update", "tool self-update"])
def test_the_tool_is_upgraded_by_what_installed_it(tmp_path: Path, typed: str) -> None:
    done = run(*typed.split(), home=str(tmp_path))
    assert done.code == 2
    assert "hint: what installed d8-installer upgrades it: type `" in done.err
    assert "install --upgrade WHEEL`, where WHEEL is the file of the newer version" in done.err


FETCHING = {
    "install": ("x",),
    "uninstall": ("x",),
    "upgrade": ("x",),
    "use": ("x", "v1"),
    "add": ("x",),
    "remove": ("x",),
    "run": ("x",),
    "lock": (),
    "sync": (),
    "versions": ("x",),
    "list": ("--outdated",),
    "verify": ("--fix",),
    "bundle": ("create", "-o", "f"),
    "wheel": ("w",),
    "manifest": ("check",),
}


@pytest.mark.parametrize("name", FETCHING)
def test_from_is_an_option_of_every_command_that_fetches(name: str) -> None:
    words = FETCHING[name]
    at = 1 if name in {"bundle", "manifest"} else 0  # an option of the way
    typed = (name, *words[:at], "--from", "oci-layout:d", *words[at:])
    assert parse(typed).endpoint == parse(("--endpoint", "oci-layout:d", name, *words)).endpoint == "oci-layout:d"
    assert parse(("--from", "oci-layout:d", name, *words)).endpoint == "oci-layout:d"


A_REGISTRY = (
    "type the last part of the name alone, and --from oci://HOST/ROOT for the registry: the image NAME is at "
    "HOST/ROOT/deckhouse-cli/plugins/NAME there"
)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("ruff:v0.14.5", "a version is joined with @: type ruff@v0.14.5"),
        ("ruff@", "without a range the newest stable version is taken: type ruff"),
        ("ruff:^1 || 2", "write a name and a range, such as 'ruff>=1.4,<2'"),
        ("ruff@a/b", "write a name and a range, such as 'ruff>=1.4,<2'"),
        ("Ruff", "names of images are lower-case: type ruff"),
        ("Ruff>=1", "names of images are lower-case: type 'ruff>=1'"),
        ("docker.io/library/ruff:1", A_REGISTRY),
        ("../x", "write a name and a range, such as 'stronghold>=1.4,<2'"),
    ],
)
def test_a_requirement_in_another_spelling(typed: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        split_requirement(typed)
    assert refused.value.hint == hint


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("ruff@0.14.5", "ruff==0.14.5"),
        ("ruff@v0.14.5", "ruff==v0.14.5"),
        ("ruff @ 0.14.5", "ruff==0.14.5"),
        ("ruff@1.2.3-rc.1", "ruff==1.2.3-rc.1"),
        ("ruff@1.2-rc.1", "ruff==1.2-rc.1"),
        ("ruff@1.4", "ruff==1.4.*"),
        ("ruff@v1.4", "ruff==v1.4.*"),
        ("ruff@1", "ruff==1.*"),
        ("ruff@1.4.x", "ruff==1.4.*"),
        ("ruff@1.X.x", "ruff==1.*"),
        ("ruff@latest", "ruff*"),
        ("ruff@*", "ruff*"),
        ("ruff@^1 || 2", "ruff^1 || 2"),
        ("ruff@>=1,<2", "ruff>=1,<2"),
        ("ruff@pr-12", "ruff===pr-12"),
        ("deckhouse-cli/plugins/ruff@1", "ruff==1.*"),
    ],
)
def test_a_version_after_an_at_sign(typed: str, same: str) -> None:
    assert split_requirement(typed) == split_requirement(same)
    Specifier.parse(split_requirement(typed)[1])


@pytest.mark.parametrize("typed", ["ruff@0.14.5", "ruff>=1", "ruff:v1"])
def test_a_name_with_a_version_where_only_a_name_may_stand(typed: str) -> None:
    with pytest.raises(UsageError) as refused:
        image_name(typed)
    assert refused.value.hint == "type the name alone: ruff"


@pytest.mark.parametrize(
    ("typed", "spelling"),
    [
        ("linux-x86_64", "linux-amd64"),
        ("linux_x86-64", "linux-amd64"),
        ("linux-x64", "linux-amd64"),
        ("x86_64-linux", "linux-amd64"),
        ("Linux-AArch64", "linux-arm64"),
        ("macos-arm64", "darwin-arm64"),
        ("macOS/x86_64", "darwin-amd64"),
        ("win-amd64", "windows-amd64"),
        ("freebsd_amd64", "freebsd-amd64"),
        ("linux/arm/7", "linux-arm"),
        ("linux/x86_64", "linux-amd64"),
    ],
)
def test_a_platform_in_another_spelling(typed: str, spelling: str) -> None:
    for known in (False, True):
        with pytest.raises(UsageError) as refused:
            typed_platform(typed, known=known)
        assert refused.value.hint == f"write {spelling}"
    with pytest.raises(DocumentError) as malformed:
        wanted_platform(typed)
    assert malformed.value.hint == f"write {spelling}"
    assert str(typed_platform(spelling, known=True)) == spelling


@pytest.mark.parametrize(
    ("typed", "platform"),
    [("linux/amd64", "linux-amd64"), ("linux/arm64/v8", "linux-arm64"), ("linux/arm/v7", "linux-arm")],
)
def test_a_platform_as_docker_has_it(typed: str, platform: str) -> None:
    for known in (False, True):
        assert str(typed_platform(typed, known=known)) == platform
    with pytest.raises(DocumentError):
        wanted_platform(typed)  # documents have one spelling


@pytest.mark.parametrize("typed", ["nonsense", "x86_64", "linux", "linux-windows-amd64", "linux-amd64-arm64", ""])
def test_a_platform_that_nobody_can_guess(typed: str) -> None:
    with pytest.raises(UsageError) as refused:
        typed_platform(typed)
    assert refused.value.hint == "write OS-ARCH as Go does, such as linux-amd64"


def test_a_platform_that_only_an_image_knows_can_be_asked_for() -> None:
    assert typed_platform("plan10-mmix") == Platform("plan10", "mmix")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((), ("--", "x", "y")),
        ((), ("x", "--", "y")),
        ((), ("--", "--", "x")),
        ((), ("--",)),
        ((), ("--help",)),
        ((), ("-q", "--json")),
        (("-q",), ("--", "x")),
    ],
)
def test_all_that_follows_the_name_but_one_dash_dash_is_the_programs(
    tmp_path: Path, before: Sequence[str], after: Sequence[str]
) -> None:
    add_image(str(tmp_path / "reg"), "hi", "v1.0.0", executables("hi"))
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{tmp_path}/reg"}
    done = run(*before, "run", "hi", *after, home=str(tmp_path), env=env)
    assert done.code == 0, done
    assert done.out.split()[2:] == list(after[1:] if after[0] == "--" else after)


@pytest.mark.parametrize(
    ("key", "typed", "stored"),
    [
        ("endpoint", "bundle:tools.bundle", "bundle:{cwd}/tools.bundle"),
        ("endpoint", "oci-layout:../reg", "oci-layout:{parent}/reg"),
        ("endpoint", "bundle:/a/b", "bundle:/a/b"),
        ("endpoint", "bundle:~/b", "bundle:{home}/b"),
        ("endpoint", "https://h.example/x", "https://h.example/x"),
        ("sources", "bundle:a, oci-layout:b,https://h.example", "bundle:{cwd}/a,oci-layout:{cwd}/b,https://h.example"),
        ("ca_file", "ca.pem", "{cwd}/ca.pem"),
        ("environments", "one,/two", "{cwd}/one,/two"),
    ],
)
def test_the_settings_hold_absolute_paths(tmp_path: Path, key: str, typed: str, stored: str) -> None:
    cwd = tmp_path / "here"
    cwd.mkdir()
    done = run("config", "set", key, typed, home=str(tmp_path), cwd=str(cwd))
    assert done.code == 0, done
    expected = stored.format(cwd=cwd, parent=tmp_path, home=tmp_path)
    assert run("config", "get", key, home=str(tmp_path)).out == f"{expected}\n"


def test_a_local_source_without_a_path_is_refused(tmp_path: Path) -> None:
    done = run("config", "set", "endpoint", "bundle:", home=str(tmp_path))
    assert (done.code, done.err.splitlines()[-1]) == (2, "hint: write bundle:PATH")


def test_an_endpoint_that_is_not_set_can_be_unset(tmp_path: Path) -> None:
    for key in ("endpoint", "sources", "retention", "owners.x"):
        done = run("config", "unset", key, home=str(tmp_path))
        assert (done.code, "error" in done.err) == (0, False), done


@pytest.mark.parametrize(
    ("key", "value"), [("retention", "0"), ("retention", "99999"), ("reserved", "a/b"), ("owners.d8", "A B")]
)
def test_a_refused_value_is_not_called_a_fault_of_the_file(tmp_path: Path, key: str, value: str) -> None:
    done = run("config", "set", key, value, home=str(tmp_path))
    assert done.code == 2
    assert f"{key} cannot be set to that: " in done.err
    assert "config.toml" not in done.err, "nothing was written there"
    assert "mend the file" not in done.err


def test_one_owner_can_be_set_read_and_unset(tmp_path: Path) -> None:
    def config(*words: str) -> tuple[int, str]:
        done = run("config", *words, home=str(tmp_path))
        return done.code, done.out + done.err

    assert config("set", "owners.d8", "deckhouse-cli")[0] == 0
    assert config("get", "owners.d8") == (0, "deckhouse-cli\n")
    for words in (("unset", "owners"), ("set", "owners", "x")):
        code, said = config(*words)
        assert (code, "is not a setting" in said, "such as owners.d8" in said) == (2, False, True)
    assert config("unset", "owners.d8")[0] == 0
    assert config("get", "owners.d8") == (0, "\n")


def test_no_command_leads_to_the_help(tmp_path: Path) -> None:
    done = subprocess.run([PROGRAM], env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "  help " in done.stdout


@pytest.mark.parametrize("option", ["--ca-file", "--client-cert"])
def test_a_proxy_does_not_begin_with_certificates_that_it_cannot_read(option: str, tmp_path: Path) -> None:
    done = run(
        "proxy",
        "serve",
        "--from",
        "oci://127.0.0.1:1",
        "--listen",
        "127.0.0.1:0",
        option,
        "nope.pem",
        home=str(tmp_path),
    )
    assert (done.code, done.out) == (78, "")
    assert "nope.pem" in done.err


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("helpp", "did you mean `d8-installer help`?"),
        ("versoin", "did you mean `d8-installer version`?"),
        ("help tool install ruff", "type `d8-installer install ruff`"),
        (
            "export --format json -o sbom.json",
            "send the output to a file: `d8-installer export --format requirements > FILE`",
        ),
        (
            "export --format requirements --output-file x",
            "send the output to a file: `d8-installer export --format requirements > FILE`",
        ),
        ("list -o json", "type --json"),
    ],
)
def test_more_near_misses(typed: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(typed.split())
    assert refused.value.hint == hint


def test_a_version_where_only_a_name_may_stand_leads_on_in_the_same_profile(tmp_path: Path) -> None:
    images = f"oci-layout:{tmp_path / 'images'}"
    add_image(str(tmp_path / "images"), "ruff", "v1.0.0", executables("ruff"))
    project = tmp_path / "home/work"
    project.mkdir(parents=True)
    person = Person(tmp_path / "home", env={"D8_RPP_ENDPOINT": images})
    person.ok("-C", str(project), "add", "ruff")
    refused = person.fails(2, "-C", str(project), "upgrade", "--project", "ruff@1.0")
    assert "hint: type the name alone: ruff, or `d8-installer add ruff@1.0` for another range" in refused.err
    refused = person.fails(2, "upgrade", "ruff@1.0")
    assert "hint: type the name alone: ruff, or `d8-installer install ruff@1.0` for another range" in refused.err
    refused = person.fails(69, "-C", str(project), "which", "ruff@1.0")
    assert "hint: one version of it is in place: type `d8-installer which ruff`" in refused.err


def test_an_address_with_a_user_name_is_called_that(tmp_path: Path) -> None:
    refused = Person(tmp_path / "home").fails(78, "login", "https://me:secret@host.example")
    assert "error[bad-address]: the address 'https://host.example' has a user name or a password in it" in refused.err
    assert "hint: leave them out: https://host.example" in refused.err
    assert "secret" not in refused.err
