"""Guides for CI and containers: their files are read, and what they run is run in a new HOME."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import command
from tests.guides.checkout import block, logged, logs
from tests.guides.desk import GUIDES
from tests.guides.podman import as_docker, can_build
from tests.guides.proxy import TOKEN
from tests.managers.drivers import MANAGERS
from tests.managers.machine import activate
from tests.typed_pages import ANY, Step, steps_of

if TYPE_CHECKING:
    from tests.guides.checkout import Checkout

SECRET = "${{ secrets.D8_RPP_TOKEN }}"


def run_of(step: dict[str, Any]) -> str:
    """Return what GitHub does for a step: bash with these options, and the lines of GITHUB_PATH in front of PATH."""
    env = "".join(f"export {name}='{value.replace(SECRET, TOKEN)}'; " for name, value in step.get("env", {}).items())
    assert "${{" not in env + step["run"]
    bash = f"({env}bash --noprofile --norc -e -o pipefail <<'END_OF_RUN'\n{step['run']}\nEND_OF_RUN\n)"
    return f'{bash}; code=$?; PATH="$(tac "$GITHUB_PATH" | tr "\\n" :)$PATH"; (exit $code)'


def workflow() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(block("github-actions", "yaml"))
    (job,) = document["jobs"].values()
    return dict(job)


def test_github_actions(checkout: Checkout) -> None:
    MANAGERS["pipx-uv"](checkout.machine)
    job = workflow()
    shown = logs("github-actions")
    runs = [step for step in job["steps"] if "run" in step]
    assert set(shown) <= {step["name"] for step in runs}
    steps = [logged(run_of(step), shown.get(step["name"])) for step in runs]
    paths = checkout.machine.root / "github_path"
    paths.touch()
    checkout.runs("github-actions", steps, job["env"] | {"GITHUB_PATH": str(paths)})


@pytest.mark.parametrize(("fault", "code"), [("stale", 65), ("no token", 77)])
def test_github_actions_fails_as_the_page_says(checkout: Checkout, fault: str, code: int) -> None:
    MANAGERS["pipx-uv"](checkout.machine)
    job = workflow()
    if fault == "stale":
        checkout.outdate()
    else:
        del job["steps"][3]["env"]
    paths = checkout.machine.root / "github_path"
    paths.touch()
    steps = [Step(run_of(step)) for step in job["steps"] if "run" in step][:2]
    *_, said = checkout.reader(job["env"] | {"GITHUB_PATH": str(paths)}).types(steps)
    assert said.code == code, said.text
    assert ("error[stale-lock]" if fault == "stale" else "token") in said.text


def test_gitlab_ci(checkout: Checkout) -> None:
    pip = MANAGERS["pip"](checkout.machine)
    activate(checkout.machine, pip.command("python"))
    job = yaml.safe_load(block("gitlab-ci", "yaml"))["test"]
    variables = {
        name: value.replace("$CI_PROJECT_DIR", str(checkout.directory)) for name, value in job["variables"].items()
    }
    variables |= {"CI_PROJECT_DIR": str(checkout.directory), "D8_RPP_TOKEN": TOKEN}
    script = "set -e\n" + "\n".join([*job["before_script"], *job["script"]])
    (shown,) = logs("gitlab-ci").values()
    checkout.runs("gitlab-ci", [logged(script, shown)], variables)
    again = checkout.reader(variables).types([Step(script)])[0]  # the cache has the home
    assert (again.code, "nothing to do" in again.text, "fetching" in again.text) == (0, True, False), again.text
    assert job["cache"]["paths"] == [".d8-installer/"]


def test_devcontainer(checkout: Checkout) -> None:
    MANAGERS["pipx-uv"](checkout.machine)
    file = json.loads(block("devcontainer", "json"))
    local = re.compile(r"\$\{localEnv:D8_RPP_TOKEN}")
    variables = file["containerEnv"] | {name: local.sub(TOKEN, value) for name, value in file["remoteEnv"].items()}
    commands = [Step(f"sh -c '{file[name]}'") for name in ("onCreateCommand", "updateContentCommand")]
    terminal = Step(". ~/.bashrc")
    page = (GUIDES / "devcontainer.md").read_text()
    checkout.runs("devcontainer", [*commands, terminal, *steps_of(page)], variables)


def test_dockerfile(checkout: Checkout) -> None:
    if not can_build(checkout.machine.root):
        pytest.skip("podman is missing, or cannot build here")
    pip = MANAGERS["pip"](checkout.machine)
    as_docker(checkout.machine, pip.command("python").parent.parent)
    wheel = checkout.directory / "tools/d8_installer-0.1.0-py3-none-any.whl"
    shutil.copy(wheel, checkout.directory)
    (checkout.directory / "token").write_text(TOKEN)
    save, build = steps_of((GUIDES / "dockerfile.md").read_text())
    shown = [line for each in logs("dockerfile").values() for line in each.lines]
    around = (*(line for one in shown for line in (ANY, one)), ANY)
    checkout.runs("dockerfile", [save, replace(build, shown=around, first=0, streams="both")], {})


def test_the_dockerfile_fetches_for_another_platform(checkout: Checkout) -> None:
    token = checkout.machine.root / "token"
    token.write_text(TOKEN)
    page = (GUIDES / "dockerfile.md").read_text()
    (line,) = re.findall(r"^    d8-installer (sync .* --platform .*)$", page, re.MULTILINE)
    here = {"/run/secrets/rpp-token": str(token), "/tools": "tools-of-arm", "$TARGETPLATFORM": "linux/arm64"}
    for name, value in here.items():
        line = line.replace(name, value)
    done = command.run(
        *line.split(),
        home=str(checkout.machine.home),
        env={"D8_RPP_ENDPOINT": checkout.url},
        cwd=str(checkout.directory),
    )
    assert done.code == 0, done
    assert (checkout.directory / "tools-of-arm/stronghold").exists()
