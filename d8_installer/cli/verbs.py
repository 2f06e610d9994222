"""The commands, each as one record: the parser, the help, the completions and the hints are all made from it.

Nothing heavy is imported here, for the completion of a name has to be quick.
"""

from __future__ import annotations

from d8_installer.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "install",
            "add images to your manifest and put their binaries on PATH",
            *("platform", "cutoff", "trust", "checks", "dry-run"),
            group="get tools",
            examples=(
                "d8-installer install stronghold",
                "d8-installer install stronghold==1.4.2",
                'd8-installer install "stronghold>=1.4,<2" another-tool',
            ),
            takes_name=True,
            other_words="i get fetch download pull ensure global",
        ),
        Verb(
            "uninstall",
            "remove images from your manifest, and their binaries",
            *("platform", "source", "dry-run"),
            group="get tools",
            examples=(
                "d8-installer uninstall stronghold",
                "d8-installer uninstall stronghold --dry-run",
            ),
            completes="images",
            is_for_user=True,
            takes_name=True,
            other_words="delete del erase rm rmi un purge",
        ),
        Verb(
            "upgrade",
            "upgrade images to the newest versions that their ranges allow",
            *("platform", "cutoff", "trust", "checks", "dry-run"),
            group="get tools",
            examples=(
                "d8-installer upgrade --all",
                "d8-installer upgrade stronghold --dry-run",
            ),
            completes="images",
            is_for_user=True,
            takes_name=True,
            other_words="update up refresh",
        ),
        Verb(
            "use",
            "switch an image to one version within its range",
            *("platform", "trust", "checks", "dry-run"),
            group="get tools",
            examples=("d8-installer use stronghold v1.4.1",),
            completes="images",
            is_for_user=True,
            takes_name=True,
            other_words="pin switch hold select",
        ),
        Verb(
            "add",
            "add images to the project of this directory, which becomes one if need be",
            *("platform", "cutoff", "trust", "checks", "dry-run"),
            group="projects",
            examples=(
                "d8-installer add stronghold",
                'd8-installer add "stronghold>=1.4,<2" another-tool',
            ),
            takes_name=True,
        ),
        Verb(
            "remove",
            "remove images from the project of this directory",
            *("platform", "source", "dry-run"),
            group="projects",
            examples=(
                "d8-installer remove stronghold",
                "d8-installer remove stronghold --dry-run",
            ),
            completes="images",
            takes_name=True,
        ),
        Verb(
            "init",
            "make this directory a project, with a new d8.toml",
            "dry-run",
            group="projects",
            examples=(
                "d8-installer init",
                'd8-installer init "stronghold>=1.4,<2" another-tool',
            ),
            other_words="new create",
        ),
        Verb(
            "history",
            "show the generations of a profile",
            group="undo",
            examples=(
                "d8-installer history",
                "d8-installer history --json",
            ),
            other_words="log generations",
        ),
        Verb(
            "rollback",
            "switch back to an earlier generation, without network access",
            "dry-run",
            group="undo",
            examples=(
                "d8-installer rollback",
                "d8-installer rollback 1",
            ),
            other_words="undo revert",
        ),
        Verb(
            "gc",
            "remove old generations and stored files that nothing needs",
            "dry-run",
            group="undo",
            examples=(
                "d8-installer gc",
                "d8-installer gc --keep 1 --dry-run",
            ),
            other_words="clean cleanup prune cache dedupe",
        ),
        Verb(
            "verify",
            "check all stored files, and repair them with --fix",
            *("source", "dry-run"),
            group="undo",
            exits={76: "a stored file differs from what was installed, and was not repaired"},
            examples=(
                "d8-installer verify",
                "d8-installer verify --fix",
            ),
        ),
        Verb(
            "list",
            "list the installed binaries",
            "source",
            group="look",
            examples=(
                "d8-installer list",
                "d8-installer list --outdated",
                "d8-installer list --json",
            ),
            other_words="installed ls status current images leaves ps",
        ),
        Verb(
            "which",
            "show the path of an installed binary",
            group="look",
            examples=("d8-installer which stronghold",),
            completes="binaries",
            takes_name=True,
            other_words="where whereis path prefix",
        ),
        Verb(
            "versions",
            "list the published versions of an image",
            "source",
            group="look",
            examples=("d8-installer versions stronghold",),
            takes_name=True,
            other_words="ls-remote search tags available find index latest list-remote releases",
        ),
        Verb(
            "show",
            "show an image: its platforms, contract and requirements, and what needs it",
            *("source", "checks"),
            group="look",
            examples=(
                "d8-installer show stronghold",
                'd8-installer show "stronghold<2"',
            ),
            completes="images",
            takes_name=True,
            other_words="contract describe info inspect about view",
        ),
        Verb(
            "run",
            "run a binary, and fetch its image first if necessary",
            *("platform", "trust", "checks"),
            group="get tools",
            examples=(
                "d8-installer run stronghold --help",
                "d8-installer run stronghold==1.4.1 --help",
            ),
            completes="binaries",
            takes_name=True,
            other_words="exec x npx uvx",
        ),
        Verb(
            "lock",
            "update d8.lock from the manifest, for every platform",
            *("environments", "cutoff", "trust", "checks", "dry-run"),
            group="projects",
            exits={65: "the lock is stale (--check), or requesters exclude each other"},
            examples=(
                "d8-installer lock",
                "d8-installer lock --upgrade",
                "d8-installer lock --check",
            ),
            other_words="compile relock resolve",
        ),
        Verb(
            "export",
            "print the lock as CycloneDX, JSON or requirements",
            group="projects",
            examples=(
                "d8-installer export --format requirements",
                "d8-installer export --format json",
            ),
        ),
        Verb(
            "sync",
            "bring the installed binaries in line with the manifest and the lock",
            *("environments", "platform", "cutoff", "trust", "checks", "dry-run"),
            group="projects",
            exits={65: "the lock is stale (--locked), or something would change (--exit-code)"},
            examples=(
                "d8-installer sync",
                "d8-installer sync --locked",
                "d8-installer sync --to tools",
            ),
            other_words="apply restore link rehash reshim",
        ),
        Verb(
            "import",
            "take over the plugins that d8 has installed",
            *("trust", "checks", "dry-run"),
            group="get tools",
            examples=(
                "d8-installer import d8 --dry-run",
                "d8-installer import d8",
            ),
            module="import_d8",
            other_words="adopt migrate",
        ),
        Verb(
            "config",
            "show or change the settings",
            group="set up",
            examples=(
                "d8-installer config list",
                "d8-installer config set endpoint oci-layout:/srv/images",
                "d8-installer config unset endpoint",
            ),
            other_words="settings conf options preferences",
        ),
        Verb(
            "login",
            "keep a token for an endpoint, after the endpoint has accepted it",
            "dry-run",
            group="set up",
            exits={77: "the endpoint refuses the token; nothing was kept"},
            examples=(
                "d8-installer login",
                "d8-installer login https://registry-packages-proxy.example.com --token-file token",
            ),
            other_words="auth signin sign-in",
        ),
        Verb(
            "logout",
            "remove the token that login keeps for an endpoint",
            "dry-run",
            group="set up",
            examples=(
                "d8-installer logout",
                "d8-installer logout --all",
            ),
            other_words="signout sign-out",
        ),
        Verb(
            "plugins",
            "list plugins, and enable or disable their code",
            group="set up",
            examples=(
                "d8-installer plugins",
                "d8-installer plugins enable d8-plug-vault",
            ),
            other_words="extensions hooks plugin",
        ),
        Verb(
            "check",
            "check the requirements of what is installed against the cluster",
            "checks",
            group="look",
            exits={65: "a requirement is not met"},
            examples=(
                "d8-installer check",
                "d8-installer check stronghold",
            ),
            completes="images",
        ),
        Verb(
            "facts",
            "write what a cluster is, as far as requirements of images ask for it",
            "dry-run",
            group="look",
            examples=("d8-installer facts -o facts.json",),
            other_words="cluster",
        ),
        Verb(
            "doctor",
            "find problems with this machine's setup",
            "dry-run",
            group="look",
            exits={1: "a check found an error"},
            examples=(
                "d8-installer doctor",
                "d8-installer doctor --fix",
            ),
            other_words="diagnose",
        ),
        Verb(
            "ensurepath",
            "add the bin directory to the PATH of new shells",
            "dry-run",
            group="set up",
            examples=("d8-installer ensurepath",),
        ),
        Verb(
            "env",
            "print the line that puts a profile's binaries on the PATH of this shell",
            group="set up",
            examples=(
                'eval "$(d8-installer env)"',
                "d8-installer env --shell fish",
            ),
            other_words="direnv hook-env shell shellenv",
        ),
        Verb(
            "self",
            "remove everything that d8-installer created for you",
            "dry-run",
            group="set up",
            examples=(
                "d8-installer self uninstall --dry-run",
                "d8-installer self uninstall --yes",
            ),
        ),
        Verb(
            "completion",
            "install the completion for a shell, or print its script",
            "dry-run",
            group="set up",
            examples=(
                "d8-installer completion --install",
                "d8-installer completion bash",
            ),
        ),
        Verb(
            "manifest",
            "create or check a plugin's manifest",
            group="publish",
            exits={65: "the manifest cannot be read"},
            examples=(
                "d8-installer manifest init stronghold --file src/d8.toml",
                "d8-installer manifest check",
            ),
        ),
        Verb(
            "publish",
            "publish executables as a multi-platform image",
            "dry-run",
            group="publish",
            examples=(
                "d8-installer publish linux-amd64=build/tool --image tool --version v1.0.0 --to oci-layout:images",
            ),
            other_words="push release",
        ),
        Verb(
            "wheel",
            "turn a plugin's wheel into a thin one (launchers) or fat ones (the binaries)",
            *("trust", "dry-run"),
            group="publish",
            examples=(
                "d8-installer wheel dist/d8_plug_vault-1.0-py3-none-any.whl -o thin",
                "d8-installer wheel dist/d8_plug_vault-1.0-py3-none-any.whl --mode fat -o fat",
            ),
            other_words="build pack",
        ),
        Verb(
            "bundle",
            "write locked images, lock and manifests to one file for offline use",
            *("environments", "source", "checks", "dry-run"),
            group="publish",
            examples=(
                "d8-installer bundle create -o tools.bundle",
                "d8-installer bundle create --platform linux-amd64 -o tools.bundle",
            ),
        ),
        Verb(
            "proxy",
            "serve images as a registry-packages-proxy does",
            group="publish",
            examples=(
                "d8-installer proxy serve --from oci-layout:images",
                "d8-installer proxy serve --from bundle:tools.bundle --listen 127.0.0.1:0",
            ),
        ),
        Verb(
            "pip",
            "run pip, then sync the environment that it changed",
            group="projects",
            examples=("d8-installer pip install d8-plug-vault",),
            module="manager",
            is_manager=True,
        ),
        Verb(
            "pipx",
            "run pipx, then sync",
            group="get tools",
            examples=("d8-installer pipx install d8-plug-vault",),
            module="manager",
            is_manager=True,
        ),
        Verb(
            "uv",
            "run uv, then sync the environment that it changed",
            group="projects",
            examples=(
                "d8-installer uv add d8-plug-vault",
                "d8-installer uv sync",
            ),
            module="manager",
            is_manager=True,
        ),
    )
}
