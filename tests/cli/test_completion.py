"""``completion``: the scripts in the real shells. What is installed is completed; nobody is asked over a network."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.cli.completion.answer import answer, printed
from d8_installer.cli.completion.typed_words import typed_in
from d8_installer.cli.verbs import VERBS
from tests.command import PROGRAM, SYSTEM_PATH, environment, run
from tests.images import add_image, executables, host_platform
from tests.person import Person

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="shells of POSIX systems")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HOME with the images `apple` (binaries apple-cli and apple-top) and `pear` in place, and the scripts."""
    root = tmp_path_factory.mktemp("completion")
    home = root / "home"
    home.mkdir()
    for name in ("apple", "pear"):
        add_image(str(root / "images"), name, "v1.0.0", executables(name, host_platform()))
    (home / "d8.toml").write_text(
        'schema = 1\n[[images]]\nname = "apple"\nbinaries = { apple-cli = "plugin", apple-top = "plugin" }\n'
        '[[images]]\nname = "pear"\n'
    )
    env = {"D8_RPP_ENDPOINT": f"oci-layout:{root / 'images'}"}
    (home / ".config/d8-installer").mkdir(parents=True)
    (home / "d8.toml").rename(home / ".config/d8-installer/d8.toml")
    assert (done := run("sync", home=str(home), env=env)).code == 0, done
    for shell in ("bash", "zsh", "fish", "tcsh", "powershell"):
        (home / f"script.{shell}").write_text(run("completion", shell, home=str(home)).out)
    return home


def env_of(home: Path, **more: str) -> dict[str, str]:
    return environment(str(home), PATH=f"{os.path.dirname(PROGRAM)}:{SYSTEM_PATH}", TERM="dumb", **more)


def in_fish(home: Path, line: str) -> list[str]:
    command = ["fish", "-c", "source script.fish; complete -C $argv[1]", line]
    done = subprocess.run(command, cwd=home, env=env_of(home), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [row.split("\t")[0] for row in done.stdout.splitlines()]


_BASH = (
    "source script.bash; COMP_WORDBREAKS=' :='; COMP_LINE=$1; COMP_POINT=${#1}; _d8_installer; "
    'printf "%s\\n" "${COMPREPLY[@]}"'
)


def in_bash(home: Path, line: str) -> list[str]:
    command = ["bash", "--norc", "-c", _BASH, "bash", line]
    done = subprocess.run(command, cwd=home, env=env_of(home), capture_output=True, text=True, check=True)
    return done.stdout.split()


def in_zsh(home: Path, line: str, start: str = "autoload -Uz compinit; compinit -u; source script.zsh") -> list[str]:
    """Press Tab on a real terminal; a completion widget writes what could follow to a file."""
    zdotdir = home / "zsh"
    zdotdir.mkdir(exist_ok=True)
    shown = zdotdir / "shown"
    shown.unlink(missing_ok=True)
    widget = f"""\
cd {home}
{start}
PS1='ready> '
shows() {{
  functions[compadd]='builtin compadd -O said "$@"; print -rl -- $said >> {shown}; builtin compadd "$@"'
  zle complete-word
  unfunction compadd
  print done >> {shown}
}}
zle -C complete-word complete-word _main_complete
zle -N shows
bindkey '^I' shows
"""
    (zdotdir / ".zshrc").write_text(widget)
    typed_on_terminal(["zsh", "-i"], env_of(home, ZDOTDIR=str(zdotdir)), f"{line}\t", shown, home)
    return [word for word in shown.read_text().split() if word != "done"]


def typed_on_terminal(command: Sequence[str], env: dict[str, str], keys: str, until: Path, cwd: Path) -> None:
    """Run *command* on a terminal, type *keys* at its prompt, and end it when the file *until* says ``done``."""
    number, terminal = pty.fork()
    if number == 0:
        os.chdir(cwd)
        os.execvpe(command[0], list(command), env)  # noqa: S606 - a child of its own terminal
    said, typed, limit = b"", False, time.monotonic() + 60
    try:
        while not (until.exists() and "done" in until.read_text()):
            assert time.monotonic() < limit, said
            if select.select([terminal], [], [], 0.1)[0]:
                said += os.read(terminal, 4096)
            if not typed and b"ready> " in said:
                typed = bool(os.write(terminal, keys.encode()))
    finally:
        os.kill(number, 9)
        os.waitpid(number, 0)
        os.close(terminal)


SHELLS = [
    pytest.param(ask, id=name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed"))
    for name, ask in (("bash", in_bash), ("zsh", in_zsh), ("fish", in_fish))
]


@pytest.mark.parametrize("ask", SHELLS)
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("d8-installer unin", {"uninstall"}),
        ("d8-installer uninstall ", {"apple", "pear"}),
        ("d8-installer use p", {"pear"}),
        ("d8-installer which apple-", {"apple-cli", "apple-top"}),
        ("d8-installer run p", {"pear"}),
        ("d8-installer completion fi", {"fish"}),
    ],
)
def test_what_follows(home: Path, ask: object, line: str, wanted: set[str]) -> None:
    assert callable(ask)
    assert wanted <= set(ask(home, line))
    assert "nonsense" not in ask(home, line)


def test_fish_knows_every_command_and_its_options(home: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    assert set(in_fish(home, "d8-installer ")) == {*VERBS, "help", "version"}
    assert set(in_fish(home, "d8-installer --home /nowhere -q ")) == {*VERBS, "help", "version"}
    assert in_fish(home, "d8-installer --home /nowhere uninstall ") == []
    assert {"--frozen", "--locked", "--json"} <= set(in_fish(home, "d8-installer sync --"))
    assert in_fish(home, "d8-installer export --format c") == ["cyclonedx"]
    assert in_fish(home, "d8-installer use apple ") == ["v1.0.0"], "a version comes next"
    assert {"get", "set"} <= set(in_fish(home, "d8-installer config "))
    assert "script.fish" in in_fish(home, "d8-installer sync --ca-file script.f")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(
    "start",
    [
        "source <(d8-installer completion zsh); autoload -Uz compinit; compinit -u",
        "source <(d8-installer completion zsh)",
        'autoload -Uz compinit; compinit -u; eval "$(d8-installer completion zsh)"',
        "mkdir -p f; cp script.zsh f/_d8-installer; fpath=($PWD/f $fpath); autoload -Uz compinit; compinit -u",
    ],
    ids=["before compinit", "without compinit", "eval", "fpath"],
)
def test_zsh_takes_the_script_in_every_way(home: Path, start: str) -> None:
    assert {"apple", "pear"} <= set(in_zsh(home, "d8-installer --no-plugins uninstall ", start))


def complete(home: Path, *words: str, cwd: Path | None = None, of: str = "fish", source: str = "") -> list[str]:
    """Return what may follow *words*; the last one is being typed."""
    env = {"D8_RPP_ENDPOINT": source} if source else {}
    typed = ("__complete", of, *words[:-1], f"+{words[-1]}")
    done = run(*typed, home=str(home), env=env, cwd=str(cwd or home))
    assert (done.code, done.err) == (0, ""), done
    return [row.split("\t")[0] for row in done.out.splitlines()]


def test_names_are_those_of_the_profile_that_is_meant(home: Path, tmp_path: Path) -> None:
    assert complete(home, "uninstall", "") == ["apple", "pear"]
    assert complete(home, "which", "") == ["apple-cli", "apple-top", "pear"]
    assert complete(home, "--home", str(tmp_path), "use", "") == complete(home, "use", "--global", "") == []
    assert complete(home, "--home=~/.local/share/d8-installer", "use", "") == ["apple", "pear"]
    assert complete(home, "upgrade", "apple", "", source="https://127.0.0.1:9") == ["pear"]
    assert complete(home, "rollback", "") == ["1"]


def test_names_that_are_known_but_not_installed(home: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "d8.toml").write_text('schema = 1\n[[images]]\nname = "plum"\n')
    (project / "d8.lock").write_text("[[images]]\nname = 'deckhouse-cli/plugins/fig'\n")
    assert complete(home, "install", "") == ["apple", "pear"]
    assert complete(home, "add", "", cwd=project) == ["apple", "fig", "pear", "plum"]
    assert complete(home, "-C", str(project), "lock", "--explain", "") == ["apple", "fig", "pear", "plum"]
    add_image(str(tmp_path / "shelf"), "grape", "v2.0.0", executables("grape", host_platform()))
    shelf = f"oci-layout:{tmp_path / 'shelf'}"
    assert "grape" in complete(home, "install", "--from", shelf, "")
    assert "grape" in complete(home, "install", "", source=shelf)
    assert complete(home, "use", "--from", shelf, "grape", "") == ["v2.0.0"]
    assert complete(home, "install", "--from", shelf, "grape@") == ["grape@v2.0.0"]
    bundled = run(*("--home", str(tmp_path / "h"), "--endpoint", shelf, "install", "grape"), home=str(tmp_path), env={})
    assert bundled.code == 0, bundled
    made = run("--home", str(tmp_path / "h"), "--endpoint", shelf, "bundle", "create", "-o", "b", home=str(tmp_path))
    assert made.code == 0, made
    assert "grape" in complete(home, "install", "--from", f"bundle:{tmp_path / 'b'}", "")
    run("config", "set", "sources", shelf, home=str(tmp_path))
    assert complete(tmp_path, "install", "") == ["grape"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("config", "set", "re"), {"retention", "endpoint", "owners."}),
        (("config", "set", "cluster_checks", ""), {"auto", "always", "never"}),
        (("config", "set", "token_file", ""), {":files"}),
        (("help", "st"), {"stale-lock", "install"}),
        (("sync", "--platform", ""), {"linux-amd64", "darwin-arm64"}),
        (("sync", "--platform="), {"--platform=linux-amd64"}),
        (("publish", ""), {"linux-arm64="}),
        (("sync", "--facts", "x"), {":filesx"}),
        (("install", "--from", ""), {"oci://", "bundle:"}),
        (("--color", ""), {"auto", "always", "never"}),
        (("manifest", ""), {"init", "check"}),
        (("run", "apple", "--", "-"), {":files-"}),
        (("pip", "install", ""), {":files"}),
        (("nonsense", ""), set()),
        (("sync", "-"), {"--locked", "--json", "-q"}),
        (("--", "--"), set()),
    ],
    ids=lambda part: " ".join(sorted(part) if isinstance(part, set) else part),  # the same in every process
)
def test_what_else_follows(home: Path, words: tuple[str, ...], wanted: set[str]) -> None:
    found = complete(home, *words)
    assert wanted <= set(found)
    assert bool(wanted) == bool(found) or words[0] == "--"


def test_endpoints_follow_login_and_logout(home: Path, tmp_path: Path) -> None:
    config = tmp_path / ".config/d8-installer"
    config.mkdir(parents=True)
    (config / "config.toml").write_text('endpoint = "https://one.example.com"\n')
    kept = [{"origin": "https://two.example.com:443", "token": "t"}, {"origin": "https://three:8443", "keyring": True}]
    (config / "logins.json").write_text(json.dumps({"schema": 1, "logins": kept}))
    known = ["https://one.example.com", "https://three:8443", "https://two.example.com"]
    assert complete(tmp_path, "logout", "") == complete(tmp_path, "login", "") == known


def test_bash_keeps_what_stands_before_a_colon_or_an_equals_sign(home: Path) -> None:
    assert in_bash(home, "d8-installer export --format=c") == ["cyclonedx"]
    assert in_bash(home, "d8-installer sync --ca-file script.ba") == ["script.bash"]
    assert in_bash(home, "d8-installer sync --from oci-layout:script.ba") == ["script.bash"]
    assert in_bash(home, 'd8-installer --home "$HOME" use "app') == []
    assert in_bash(home, 'd8-installer use "app') == ["apple"]


@pytest.mark.skipif(shutil.which("tcsh") is None, reason="tcsh is not installed")
def test_tcsh_gets_words_and_files(home: Path) -> None:
    def asked(line: str) -> list[str]:
        done = run("__complete", "tcsh", home=str(home), env={"COMMAND_LINE": line})
        return done.out.split()

    assert asked("d8-installer uninstall a") == ["apple"]
    assert asked(f"d8-installer sync --ca-file {home}/script.t") == [f"{home}/script.tcsh"]
    command = ["tcsh", "-f", "-c", "source script.tcsh; complete d8-installer"]
    done = subprocess.run(command, cwd=home, env=env_of(home), capture_output=True, text=True, check=True)
    assert "__complete" in done.stdout


def test_a_completion_imports_nothing_of_others(home: Path) -> None:
    words = ["__complete", "fish", "use", "+"]
    code = f"import sys; from d8_installer.cli.main import run; run({words}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=env_of(home), capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & {"httpx2", "pluggy", "rich", "packaging", "tomlkit", "tomllib", "dataclasses", "msgspec"}


def test_powershell_has_a_script(home: Path) -> None:
    script = (home / "script.powershell").read_text()
    assert script.count("{") == script.count("}")
    assert script.count("(") == script.count(")")
    if (program := shutil.which("pwsh")) is not None:
        code = ". ./script.powershell; (TabExpansion2 'd8-installer unin' 17).CompletionMatches.CompletionText"
        done = subprocess.run(
            [program, "-c", code], cwd=home, env=env_of(home), capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["uninstall"]
    assert complete(home, "unin", of="powershell") == ["uninstall"]


# -- completion --install --------------------------------------------------------------------------------------

_START = {
    "bash": (".bashrc", "PS1='ready> '\n"),
    "zsh": (".zshrc", "PS1='ready> '\n"),
    "tcsh": (".tcshrc", "set prompt='ready> '\n"),
}


def installed(person: Person, *words: str) -> list[str]:
    """Install, and return the files that were changed."""
    files: list[str] = person.json("completion", *words, "--install")["files"]
    return [os.path.relpath(file, person.home) for file in files]


@pytest.mark.parametrize("shell", _START)
def test_an_installed_completion_works_in_a_new_shell_and_goes_without_a_trace(tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    person = Person(tmp_path / "home")
    name, prompt = _START[shell]
    (person.home / name).write_text(prompt)
    person.env["SHELL"] = str(shutil.which(shell))
    assert name in installed(person)
    assert installed(person) == []
    keys = "d8-installer unin\t --help > out; echo done >> out\n"
    shown = person.home / "out"
    env = {**env_of(person.home), "TERM": "xterm", "SHELL": person.env["SHELL"]}
    typed_on_terminal([shell, "-i"], env, keys, shown, cwd=person.home)
    assert "usage: d8-installer uninstall" in shown.read_text()
    shown.unlink()
    person.ok("self", "uninstall", "--yes")
    left = {str(path.relative_to(person.home)) for path in person.home.rglob("*") if path.is_file()}
    assert left - {".bash_history", ".zcompdump"} == {name}
    assert (person.home / name).read_text() == prompt


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_finds_the_installed_file(tmp_path: Path) -> None:
    person = Person(tmp_path / "home")
    assert installed(person, "fish") == [".config/fish/completions/d8-installer.fish"]
    command = ["fish", "-c", "complete -C 'd8-installer unin'"]
    done = subprocess.run(command, env=env_of(person.home), capture_output=True, text=True, check=True)
    assert done.stdout.split("\t")[0] == "uninstall"
    (person.home / ".config/fish/completions/d8-installer.fish").write_text("# mine\n")
    assert "move it away" in person.fails(73, "completion", "fish", "--install").err
    person.ok("self", "uninstall", "--yes")
    assert (person.home / ".config/fish/completions/d8-installer.fish").exists()


def test_powershell_runs_the_script_from_its_profile(tmp_path: Path) -> None:
    person = Person(tmp_path / "home")
    assert len(installed(person, "powershell")) == 2
    profile = (person.home / ".config/powershell/profile.ps1").read_text()
    assert f"{{ . '{person.home}/.config/powershell/d8-installer.ps1' }}" in profile
    person.ok("ensurepath")
    person.ok("self", "uninstall", "--yes")
    assert list(person.home.iterdir()) == []


def test_installing_says_what_it_would_do(tmp_path: Path) -> None:
    person = Person(tmp_path / "home")
    assert person.json("completion", "zsh", "--install", "--dry-run")["changed"] is True
    assert list(person.home.iterdir()) == []
    assert "name one: " in person.fails(2, "completion", "--install").err
    assert "'nu' is not a shell that is completed" in person.fails(2, "completion", "--install", SHELL="/bin/nu").err
    for words in (("completion",), ("completion", "bash", "--dry-run")):
        assert "`d8-installer completion --install`" in person.fails(2, *words).err
    person.ok("completion", "bash", "--install")
    assert "nothing to do" in person.ok("completion", "bash", "--install").out


@given(
    st.text("d8-installer use=:'\"\\ \t$~+@config--\0é", max_size=30), st.sampled_from(["bash", "zsh", "fish", "tcsh"])
)
def test_any_line_is_answered(line: str, shell: str) -> None:
    environ = {"HOME": "/nonexistent", "COMMAND_LINE": line}
    arguments = [" :=", f"+{line}"] if shell == "bash" else [*line.split(), f"+{line[-5:]}"]
    typed = typed_in(shell, arguments, environ)
    for text in printed(shell, typed, answer(typed, environ, "/nonexistent")):
        assert "\n" not in text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("d8-installer install fig@\t", ["install", "fig@v2.0.0"]),
        ("d8-installer run fig@v2\t --flag", ["run", "fig@v2.0.0", "--flag"]),
        ("d8-installer install --from=oci-layout:she\t", ["install", "--from=oci-layout:shelf/"]),
    ],
)
def test_bash_completes_a_word_that_it_breaks_where_it_always_does(
    home: Path, tmp_path: Path, line: str, words: list[str]
) -> None:
    """Bash breaks words at ``@``, ``:`` and ``=``, as COMP_WORDBREAKS says unless a person changes it."""
    add_image(str(tmp_path / "shelf"), "fig", "v2.0.0", executables("fig", host_platform()))
    shown = tmp_path / "shown"
    start = tmp_path / "bashrc"
    start.write_text(
        f"PS1='ready> '; source {home}/script.bash\n"
        f"d8-installer() {{ printf '%s\\n' \"$@\" > {shown}; echo done >> {shown}; }}\n"
    )
    env = env_of(home, D8_RPP_ENDPOINT=f"oci-layout:{tmp_path}/shelf")
    command = ["bash", "--noprofile", "--rcfile", str(start), "-i"]
    typed_on_terminal(command, env, f"{line}\n", shown, tmp_path)
    assert shown.read_text().split() == [*words, "done"]


def test_help_is_followed_by_commands_and_codes_and_by_the_subcommands_of_a_command(home: Path) -> None:
    assert {"config", "stale-lock"} <= set(complete(home, "help", ""))
    assert {"get", "set"} <= set(complete(home, "help", "config", ""))
    assert "stale-lock" not in complete(home, "help", "config", "")
    assert complete(home, "help", "list", "") == complete(home, "help", "stale-lock", "") == []
