"""Programs whose image has a contract: what they get, what is checked before they run, and what that costs.

There is no cluster here: the facts are those that were kept. ``tests/cluster/test_running.py`` has a real one.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any

import pytest

from d8_installer.model.facts import ClusterFacts, FactKind, ModuleFact
from d8_installer.store.kept_facts import SeenKubeconfigs, save
from d8_installer.store.kubeconfig_choice import KubeconfigChoice
from d8_installer.store.paths import Home
from tests import command, images
from tests.cli.test_startup import LISTS, broken_rules, loaded_by
from tests.command import ended
from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Completed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="scripts of sh")
BOTH = ["KUBECONFIG", "PLUGINS_CALLER", "MODULE_CONFIG_INFO"]
TOLD = '#!/bin/sh\nprintf "%s|" "${KUBECONFIG-unset}" "${PLUGINS_CALLER-unset}" "$@"\nexit 7\n'
ENDING = """\
#!/bin/sh
[ "$1" = pipe ] && while :; do echo y || exit 3; done
[ "$1" = wait ] && echo $$ && exec sleep 60
exit $1
"""
KUBERNETES = {"kubernetes": {"constraint": ">= 1.28"}}
MODULE = {"modules": {"mandatory": [{"name": "stronghold", "constraint": ">= 1.3"}]}}
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: a-token-of-the-test}}]
"""


class Runner(Person):
    """A person with a source of plugins that have contracts."""

    def publish_plugin(self, name: str, tag: str = "v1.0.0", text: str = TOLD, **contract: Any) -> None:
        """Publish a version of a plugin; *contract* has the fields beside name and version."""
        document = {"name": name, "version": tag, **contract}
        document["env"] = [{"name": one} for one in contract.get("env", ())]
        note = base64.b64encode(json.dumps(document).encode()).decode()
        images.add_image(str(self.source), name, tag, {images.host_platform(): text.encode()}, {"contract": note})

    def binary(self, name: str) -> Path:
        """Return what is in ``bin`` under a name."""
        return self.user / "current/bin" / name

    def have_kubeconfig(self) -> Path:
        """Write ``~/.kube/config``, whose server does not answer."""
        path = self.home / ".kube/config"
        path.parent.mkdir(exist_ok=True)
        path.write_text(KUBECONFIG)
        return path

    def keep_facts(self, *, age: float = 0, kubernetes: str = "v1.31.0", **modules: str) -> None:
        """Keep facts as a command keeps them that read them *age* seconds ago."""
        choice = KubeconfigChoice.of(None, None, {"HOME": str(self.home)}, str(self.home))
        kinds: frozenset[FactKind] = frozenset(["kubernetes", "deckhouse", "modules"])
        facts = ClusterFacts(
            kinds=kinds,
            kubernetes=kubernetes,
            modules={name: ModuleFact(is_enabled=True, version=version) for name, version in modules.items()},
        )
        save(
            Home(str(self.data)), "ab" * 32, SeenKubeconfigs(choice), facts, datetime.now(UTC) - timedelta(seconds=age)
        )

    def told(self, *words: str | Path, **env: str) -> tuple[int, list[str]]:
        """Run a program itself; return its exit code and what it says of its variables and arguments."""
        whole = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), **env}
        done = subprocess.run(words, env=whole, capture_output=True, text=True, check=False, cwd=self.home, timeout=60)
        assert done.stderr == "", done
        return done.returncode, done.stdout.split("|")[:-1]

    def runs(self, *words: str, **env: str) -> list[str]:
        """Type ``run``; return what the program says."""
        return self.ends(7, "run", *words, **env).out.split("|")[:-1]


@pytest.fixture
def person(tmp_path: Path) -> Runner:
    person = Runner(tmp_path / 'it\'s a "home"', tmp_path / "images")
    person.publish_plugin("beta", env=BOTH)
    images.add_image(str(person.source), "deckhouse-cli", "v1.0.0", images.executables("d8", images.host_platform()))
    return person


# -- wrappers ------------------------------------------------------------------------------------------------------


def test_a_program_gets_the_variables_that_its_contract_lists(person: Runner) -> None:
    usual = str(person.home / ".kube/config")
    person.ok("install", "beta")
    assert not person.binary("beta").is_symlink()
    assert person.told(person.bin / "beta", "a b", "") == (7, [usual, "unset", "a b", ""])
    assert person.told(person.bin / "beta", KUBECONFIG="a:b") == (7, ["a:b", "unset"])
    assert person.runs("beta", "a b", "") == [usual, "unset", "a b", ""]
    assert person.runs("beta", KUBECONFIG="a:b") == ["a:b", "unset"]
    assert person.runs("--kubeconfig", "k", "beta", KUBECONFIG="a:b") == [str(person.home / "k"), "unset"]
    person.ok("install", "deckhouse-cli")
    d8 = str(person.bin / "d8")
    assert person.told(person.bin / "beta")[1] == person.runs("beta") == [usual, d8]
    assert person.binary("d8").is_symlink(), "without a contract it is a link"
    images.add_image(str(person.source), "deckhouse-cli", "v1.1.0", images.executables("new", images.host_platform()))
    assert person.ok("run", "deckhouse-cli").out.startswith("d8 "), "an installed image runs as it is installed"


@pytest.mark.parametrize("d8", ["", "bin", "path"])
@pytest.mark.parametrize("kubeconfig", [None, "", "a:b"])
@pytest.mark.parametrize("caller", [None, "/old"])
def test_a_wrapper_and_run_give_the_same(
    person: Runner, tmp_path: Path, d8: str, kubeconfig: str | None, caller: str | None
) -> None:
    person.ok("install", "beta", *(["deckhouse-cli"] if d8 == "bin" else []))
    (tmp_path / "path").mkdir()
    on_path = tmp_path / "path/d8"
    if d8 == "path":
        on_path.write_text("#!/bin/sh\n")
        on_path.chmod(0o755)
    given = {"KUBECONFIG": kubeconfig, "PLUGINS_CALLER": caller}
    env = {name: value for name, value in given.items() if value is not None}
    env["PATH"] = f"relative::{tmp_path}/path:/usr/bin:/bin"
    wrapped = person.told(person.bin / "beta", **env)[1]
    assert wrapped == person.runs("beta", **env)
    assert wrapped[1] == {"": "unset", "bin": str(person.bin / "d8"), "path": str(on_path)}[d8]
    assert wrapped[0] == (kubeconfig or str(person.home / ".kube/config"))


def test_without_env_it_stays_a_link(person: Runner) -> None:
    person.publish_plugin("gamma", env=["MODULE_CONFIG_INFO"], requirements=KUBERNETES)
    person.ok("install", "gamma", D8_PLUGINS_SKIP_CLUSTER_CHECKS="1")
    assert person.binary("gamma").is_symlink()
    assert person.told(person.bin / "gamma", PLUGINS_CALLER="mine") == (7, ["unset", "mine"])


def test_another_contract_of_the_same_bytes_makes_a_new_generation(person: Runner) -> None:
    person.ok("install", "beta")
    person.publish_plugin("beta", "v1.1.0")
    person.ok("upgrade", "beta")
    assert person.binary("beta").is_symlink()
    person.ok("rollback")
    assert person.told(person.bin / "beta")[1][0].endswith(".kube/config")
    person.ok("verify")


@pytest.mark.parametrize("damage", ["text", "mode", "link"])
def test_an_altered_wrapper_is_seen_and_put_back(person: Runner, damage: str) -> None:
    person.ok("install", "beta")
    wrapper = person.binary("beta")
    wrapper.parent.chmod(0o755)
    if damage == "text":
        wrapper.chmod(0o755)
        wrapper.write_text("#!/bin/sh\necho evil\n")
    elif damage == "mode":
        wrapper.chmod(0o444)
    else:
        wrapper.unlink()
        wrapper.symlink_to("/bin/echo")
    listed = person.run("list")
    assert "upgrade" not in listed.err, "no update changes a wrapper"
    assert "something else changed beta v1.0.0" in listed.err
    assert "link" in {one["kind"] for one in person.json("verify", code=76)["findings"]}
    person.ok("verify", "--fix")
    assert person.told(person.bin / "beta")[0] == 7
    person.ok("verify")
    assert "changed" not in person.ok("list").err


def test_sync_puts_it_back_too_even_the_quick_one(person: Runner) -> None:
    person.ok("install", "beta")
    person.ok("sync")
    wrapper = person.binary("beta")
    wrapper.chmod(0o755)
    wrapper.write_bytes(b"#" * wrapper.stat().st_size)
    person.ok("sync")
    assert person.told(person.bin / "beta")[0] == 7


def test_gc_keeps_what_a_wrapper_runs_though_its_record_is_damaged(person: Runner) -> None:
    person.ok("install", "beta")
    record = person.user / "generations/1/generation.json"
    record.chmod(0o644)
    record.write_text("{")
    person.run("gc", "--keep", "1")
    assert person.told(person.bin / "beta")[0] == 7


# -- exit codes and signals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["bin", "run", "long run"])
def test_the_exit_code_and_the_signals_are_the_programs(person: Runner, way: str) -> None:
    person.publish_plugin("beta", "v1.1.0", ENDING, env=BOTH)
    person.ok("install", "beta")
    words = {"bin": [str(person.bin / "beta")], "run": ["run", "beta"], "long run": ["-v", "run", "beta"]}[way]
    whole = words if way == "bin" else [command.PROGRAM, *words]
    for code in (0, 1, 2, 42, 255):
        assert ended([*whole, str(code)], home=str(person.home)).code == code
    env = command.environment(str(person.home))
    with subprocess.Popen([*whole, "wait"], stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid, "the program took the place of the command"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == -signal.SIGINT
    with subprocess.Popen([*whole, "pipe"], stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        process.stdout.read(2)
        process.stdout.close()
        assert process.wait(timeout=60) == -signal.SIGPIPE, "it ends with its reader"


# -- the gate --------------------------------------------------------------------------------------------------------


@pytest.fixture
def checked(person: Runner) -> Runner:
    """Somebody who has installed beta, which needs a Kubernetes and a module, and has a kubeconfig."""
    person.publish_plugin("beta", "v1.1.0", env=BOTH, requirements=KUBERNETES | MODULE)
    person.ok("install", "beta", "--skip-cluster-checks")
    person.have_kubeconfig()
    return person


def test_fresh_facts_are_enough(checked: Runner) -> None:
    checked.keep_facts(stronghold="1.3.0")
    for _ in range(2):
        assert checked.runs("beta", "x")[2:] == ["x"]
    checked.keep_facts(stronghold="1.2.0")
    for _ in range(2):
        said = checked.fails(65, "run", "beta", "x").err
        assert 'requires module "stronghold" >= 1.3, but the cluster has 1.2.0' in said
        assert "`d8-installer run --skip-cluster-checks beta`" in said
    checked.keep_facts(kubernetes="v1.20.0", stronghold="1.3.0")
    assert "requires Kubernetes >= 1.28, but the cluster runs v1.20.0" in checked.fails(65, "run", "beta").err


@pytest.mark.parametrize(
    "words", [["--help"], ["-h"], ["--version"], ["-v"], ["help"], ["completion"], ["x", "--help"]]
)
def test_what_asks_the_program_about_itself_is_not_checked(checked: Runner, words: list[str]) -> None:
    checked.keep_facts()
    assert checked.runs("beta", *words)[2:] == words
    checked.fails(65, "run", "beta", "--", "--", *words)
    checked.fails(65, "run", "beta")


def test_stale_facts_are_read_anew(checked: Runner) -> None:
    checked.keep_facts(stronghold="1.3.0", age=299)
    checked.runs("beta")
    checked.keep_facts(stronghold="1.3.0", age=301)
    for _ in range(2):
        said = checked.fails(69, "run", "beta", D8_PATIENCE="1").err
        assert "127.0.0.1:1" in said
        assert said.endswith("do without the check: `d8-installer run --skip-cluster-checks beta`\n")
    checked.keep_facts(stronghold="1.3.0", age=-5)
    checked.fails(69, "run", "beta", D8_PATIENCE="1")
    assert checked.runs("--skip-cluster-checks", "beta", "x")[2:] == ["x"]
    assert checked.runs("beta", "x", D8_PLUGINS_SKIP_CLUSTER_CHECKS="true")[2:] == ["x"]


def test_a_pass_ends_with_the_facts_and_with_anything_that_it_rests_on(checked: Runner) -> None:
    checked.keep_facts(stronghold="1.3.0", age=298)
    checked.runs("beta")
    deadline = time.monotonic() + 30
    while checked.run("run", "beta", D8_PATIENCE="1").code == 7:
        assert time.monotonic() < deadline, "the pass outlives its facts"
    checked.keep_facts(stronghold="1.3.0")
    checked.runs("beta")
    other = checked.home / "other"
    other.write_text(KUBECONFIG)
    checked.fails(69, "run", "beta", KUBECONFIG=str(other), D8_PATIENCE="1")
    checked.fails(69, "run", "beta", HTTPS_PROXY="http://127.0.0.1:1", D8_PATIENCE="1")
    checked.fails(78, "run", "--context", "nobody", "beta")
    (checked.home / ".kube/config").write_text(KUBECONFIG + "# edited\n")
    checked.fails(69, "run", "beta", D8_PATIENCE="1")


def test_without_a_cluster_nothing_is_checked_and_that_is_said_once(checked: Runner) -> None:
    (checked.home / ".kube/config").unlink()
    first = checked.ends(7, "run", "beta")
    assert "requirements not checked: no cluster is configured" in first.err
    assert checked.ends(7, "run", "beta").err == ""
    checked.have_kubeconfig()
    checked.fails(69, "run", "beta", D8_PATIENCE="1")


def test_the_settings_decide_too(checked: Runner) -> None:
    checked.ok("config", "set", "cluster_checks", "never")
    checked.runs("beta")
    checked.runs("beta")
    checked.ok("config", "set", "cluster_checks", "auto")
    checked.fails(69, "run", "beta", D8_PATIENCE="1")


def test_a_contract_that_asks_nothing_of_a_cluster_contacts_none(person: Runner) -> None:
    person.ok("install", "beta")
    person.have_kubeconfig()
    assert person.ends(7, "run", "beta").err == ""
    (person.home / ".kube/config").write_text("{ this is no kubeconfig")
    assert person.ends(7, "run", "beta").err == ""
    assert person.ends(7, "-v", "run", "beta").err == ""


def test_a_project_has_its_own_programs_and_passes(checked: Runner) -> None:
    checked.keep_facts(stronghold="1.3.0")
    checked.runs("beta")
    project = checked.project('schema = 1\n[[images]]\nname = "beta"\nversion = "==1.0.0"\n')
    checked.ok("sync", cwd=project)
    checked.keep_facts()
    assert checked.ends(7, "run", "beta", cwd=project).out, "the project's version asks nothing of a cluster"
    checked.fails(65, "run", "beta")
    checked.fails(65, "run", "--user", "beta", cwd=project)


# -- other plugins ---------------------------------------------------------------------------------------------------


def test_what_is_not_installed_is_run_with_the_plugins_of_the_profile(person: Runner) -> None:
    person.publish_plugin("alpha")
    needs = {"plugins": {"mandatory": [{"name": "alpha", "constraint": ">= 1.0"}]}}
    person.publish_plugin("delta", env=["KUBECONFIG"], requirements=needs)
    said = person.fails(65, "run", "delta", "x").err
    assert 'requires plugin "alpha" >= 1.0, but it is not installed' in said
    assert "`d8-installer install delta`" in said
    assert "--skip-cluster-checks" not in said, "that would not help"
    assert "fetching" not in said
    assert "comes along" not in said
    assert ": run wants delta >=2;" in person.fails(69, "run", "delta>=2").err
    person.ok("install", "alpha")
    assert person.runs("delta", "x")[2:] == ["x"]
    assert not person.binary("delta").exists()
    person.ok("uninstall", "alpha")
    person.fails(65, "run", "delta", "x", D8_PLUGINS_SKIP_CLUSTER_CHECKS="1")
    person.ok("install", "delta")
    assert person.binary("alpha").exists()
    assert person.runs("delta", "x")[2:] == ["x"]


# -- gated programs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["beta", "*"])
def test_a_gated_program_is_checked_by_its_name_alone(checked: Runner, name: str) -> None:
    usual = str(checked.home / ".kube/config")
    checked.ok("install", "deckhouse-cli")
    said = checked.ok("config", "set", "gate", f"{name},bata").err
    assert ["beta is not" in said, "bata is not gated yet" in said] == [False, True]
    assert "type `d8-installer sync`" in said
    checked.ok("sync")
    assert checked.binary("d8").is_symlink()
    checked.keep_facts(stronghold="1.3.0")
    for _ in range(2):
        assert checked.told(checked.bin / "beta", "a b", "") == (7, [usual, str(checked.bin / "d8"), "a b", ""])
    checked.keep_facts()
    assert checked.told(checked.bin / "beta", "--help")[0] == 7
    done = by_name(checked, "x")
    assert done.code == 65
    assert 'requires module "stronghold" to be enabled, but it is not' in done.err
    assert "`D8_PLUGINS_SKIP_CLUSTER_CHECKS=true beta`" in done.err
    assert "`d8-installer check beta`" in done.err
    assert f"`d8-installer --home {quote(str(checked.data))} check" in by_name(checked, D8_INSTALLER_HOME="/x").err
    assert by_name(checked, "x", D8_PLUGINS_SKIP_CLUSTER_CHECKS="true").code == 7
    checked.have_kubeconfig().write_text(KUBECONFIG + "# edited\n")
    done = by_name(checked, "x", D8_PATIENCE="1")
    assert done.code == 69
    assert "`D8_PLUGINS_SKIP_CLUSTER_CHECKS=true beta`" in done.err
    checked.ok("verify")
    checked.ok("config", "unset", "gate")
    checked.ok("sync")
    assert by_name(checked, "x").code == 7


def by_name(person: Runner, *words: str, **env: str) -> Completed:
    return ended([str(person.bin / "beta"), *words], home=str(person.home), env=env)


def test_a_gated_program_finds_the_tool_on_path_if_it_has_moved(checked: Runner) -> None:
    checked.ok("config", "set", "gate", "*")
    checked.ok("sync")
    checked.keep_facts(stronghold="1.3.0")
    (record,) = checked.user.glob("generations/2/generation.json")
    wrapper = json.loads(record.read_text())["binaries"][0]["wrapper"]
    assert wrapper == {"env": ["KUBECONFIG", "PLUGINS_CALLER"], "gated": True, "tool": command.PROGRAM}
    text = checked.binary("beta").read_text().replace(command.PROGRAM, "/nowhere/d8-installer")
    place = checked.user / "current/bin"
    place.resolve().chmod(0o755)
    checked.binary("beta").unlink()
    checked.binary("beta").write_text(text)
    checked.binary("beta").chmod(0o755)
    path = f"{os.path.dirname(command.PROGRAM)}:/usr/bin:/bin"
    assert checked.told(checked.bin / "beta", PATH=path)[0] == 7
    done = subprocess.run(
        [checked.bin / "beta"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 78
    assert "d8-installer, which checks it, is not on PATH" in done.stderr


def test_the_hidden_command_wants_a_wrapper(person: Runner) -> None:
    for words in (["__gated"], ["__gated", "/nowhere", "x"], ["__gated", "/", "x"]):
        done = person.run(*words)
        assert done.code == 2, done
        assert "d8-installer run NAME" in done.err


# -- what it costs ---------------------------------------------------------------------------------------------------


def test_a_program_that_passed_starts_the_quick_way(checked: Runner) -> None:
    checked.keep_facts(stronghold="1.3.0")
    first = loaded_by(checked.home, "run", "beta")
    assert "d8_installer.resolve.requirements" in first
    assert not {module for module in first if module.partition(".")[0] == "yaml"}, "no kubeconfig is parsed"
    assert "d8_installer.cluster" not in first
    assert broken_rules(LISTS["run-checked"], loaded_by(checked.home, "run", "beta")) == []
    checked.ok("config", "set", "gate", "*")
    checked.ok("sync")
    words = ("__gated", str(checked.bin), "beta")
    assert "argparse" not in loaded_by(checked.home, *words), "the switch kept a pass, by the facts that were fresh"
    assert broken_rules(LISTS["run-checked"], loaded_by(checked.home, *words)) == []


def test_one_judgement_is_enough_for_all_programs(checked: Runner) -> None:
    checked.publish_plugin("gamma", env=BOTH, requirements=KUBERNETES)
    checked.keep_facts(stronghold="1.3.0")
    checked.ok("install", "gamma", "--skip-cluster-checks")
    checked.keep_facts(stronghold="1.3.0")
    assert "argparse" in loaded_by(checked.home, "run", "beta")
    assert "argparse" not in loaded_by(checked.home, "run", "gamma")
