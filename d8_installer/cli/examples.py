"""The examples in the help: command lines as they are typed, the most useful first. ``-h`` shows two of them.

A range stands between double quotes, which every shell knows. ``tests/cli/test_examples.py`` types each line.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "install": (
        "d8-installer install stronghold",
        "d8-installer install stronghold@1.4",
        'd8-installer install "stronghold>=1.4,<2" another-tool',
    ),
    "uninstall": (
        "d8-installer uninstall stronghold",
        "d8-installer uninstall stronghold --dry-run",
    ),
    "upgrade": (
        "d8-installer upgrade --all",
        "d8-installer upgrade stronghold --dry-run",
    ),
    "use": (
        "d8-installer use stronghold v1.4.1",
        "d8-installer use stronghold@1.4",
    ),
    "add": (
        "d8-installer add stronghold",
        'd8-installer add "stronghold>=1.4,<2" another-tool',
    ),
    "remove": (
        "d8-installer remove stronghold",
        "d8-installer remove stronghold --dry-run",
    ),
    "init": (
        "d8-installer init",
        'd8-installer init "stronghold>=1.4,<2" another-tool',
    ),
    "history": (
        "d8-installer history",
        "d8-installer history --json",
    ),
    "rollback": (
        "d8-installer rollback",
        "d8-installer rollback 1",
    ),
    "gc": (
        "d8-installer gc",
        "d8-installer gc --keep 1 --dry-run",
    ),
    "verify": (
        "d8-installer verify",
        "d8-installer verify --fix",
    ),
    "list": (
        "d8-installer list",
        "d8-installer list --outdated",
        "d8-installer list --json",
    ),
    "which": (
        "d8-installer which stronghold",
        "d8-installer which stronghold --json",
    ),
    "versions": (
        "d8-installer versions stronghold",
        "d8-installer versions stronghold --from oci-layout:images",
    ),
    "show": (
        "d8-installer show stronghold",
        'd8-installer show "stronghold<2"',
    ),
    "run": (
        "d8-installer run stronghold --help",
        "d8-installer run stronghold@1.4.1 --help",
    ),
    "lock": (
        "d8-installer lock",
        "d8-installer lock --upgrade",
        "d8-installer lock --check",
    ),
    "export": (
        "d8-installer export --format requirements",
        "d8-installer export --format json",
    ),
    "sync": (
        "d8-installer sync",
        "d8-installer sync --locked",
        "d8-installer sync --to tools",
    ),
    "import": (
        "d8-installer import d8 --dry-run",
        "d8-installer import d8",
    ),
    "config": (
        "d8-installer config set endpoint oci-layout:/srv/images",
        "d8-installer config list",
        "d8-installer config get endpoint",
        "d8-installer config unset endpoint",
        "d8-installer config path",
        "d8-installer config schema",
    ),
    "login": (
        "d8-installer login",
        "d8-installer login https://registry-packages-proxy.example.com --token-file token",
    ),
    "logout": (
        "d8-installer logout",
        "d8-installer logout --all",
    ),
    "plugins": (
        "d8-installer plugins",
        "d8-installer plugins enable d8-plug-vault",
        "d8-installer plugins disable d8-plug-vault",
        "d8-installer plugins list",
    ),
    "check": (
        "d8-installer check",
        "d8-installer check stronghold",
    ),
    "facts": (
        "d8-installer facts",
        "d8-installer facts -o facts.json",
    ),
    "doctor": (
        "d8-installer doctor",
        "d8-installer doctor --fix",
    ),
    "ensurepath": (
        "d8-installer ensurepath",
        "d8-installer ensurepath --dry-run",
    ),
    "env": (
        'eval "$(d8-installer env)"',
        "d8-installer env --shell fish",
    ),
    "self": (
        "d8-installer self uninstall --dry-run",
        "d8-installer self uninstall --yes",
    ),
    "completion": (
        "d8-installer completion --install",
        "d8-installer completion bash",
    ),
    "manifest": (
        "d8-installer manifest init stronghold --file src/d8.toml",
        "d8-installer manifest check",
        "d8-installer manifest schema",
    ),
    "publish": (
        "d8-installer publish linux-amd64=build/tool --image tool --version v1.0.0 --to oci-layout:images",
        "d8-installer publish linux-amd64=tool linux-arm64=tool-arm --image tool --version v1.1.0 --to oci-layout:out",
    ),
    "wheel": (
        "d8-installer wheel dist/d8_plug_vault-1.0-py3-none-any.whl -o thin",
        "d8-installer wheel dist/d8_plug_vault-1.0-py3-none-any.whl --mode fat -o fat",
    ),
    "bundle": (
        "d8-installer bundle create -o tools.bundle",
        "d8-installer bundle create --platform linux-amd64 -o tools.bundle",
    ),
    "proxy": (
        "d8-installer proxy serve --from oci-layout:images",
        "d8-installer proxy serve --from bundle:tools.bundle --listen 127.0.0.1:0",
    ),
    "pip": (
        "d8-installer pip install d8-plug-vault",
        "d8-installer pip install --upgrade d8-plug-vault",
    ),
    "pipx": (
        "d8-installer pipx install d8-plug-vault",
        "d8-installer pipx upgrade-all",
    ),
    "uv": (
        "d8-installer uv add d8-plug-vault",
        "d8-installer uv sync",
    ),
}
