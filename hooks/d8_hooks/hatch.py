"""The build hook for Hatch, ``[tool.hatch.build.hooks.d8]``: adds launchers or binaries to a plugin's wheel.

This is only the adapter: ``d8-installer wheel --parts`` decides and writes, in a process of its own.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.plugin import hookimpl

from d8_installer.errors import D8Error, DocumentError
from d8_installer.model.manifest import FILE_NAME
from d8_installer.model.value import Struct, field_names
from d8_installer.plugin.dist_info import MANIFESTS, normalised
from d8_installer.plugin.run_self import run_tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from d8_installer.plugin.run_self import ToolResult

PLATFORM = "D8_WHEEL_PLATFORM"
"""The environment variable with the platform of the wheel; it takes precedence over the option."""
_OURS = ("manifest", "mode", "platform", "lock")
_HATCHS = ("dependencies", "enable-by-default", "require-runtime-dependencies", "require-runtime-features")


class _Parts(Struct, frozen=True, kw_only=True):
    """The parts of the wheel, as ``wheel --parts`` reports them."""

    platform_tag: str
    scripts: dict[str, str]
    console_scripts: dict[str, str]
    manifests: dict[str, str]
    dependencies: Iterable[str]

    @classmethod
    def of(cls, result: ToolResult) -> _Parts:
        if result.exit_code != 0:
            raise _failure(result)
        data: Mapping[str, Any] = result.data  # from our own command, of the same release
        return cls(**{name: data[name] for name in field_names(cls)})  # it also says, for example, `changed`


def _failure(result: ToolResult) -> D8Error:
    if not result.errors:
        return D8Error(f"d8-installer ended with {result.exit_code}")
    first = result.errors[0]
    return D8Error(f"error[{first.code}]: {first.message}", hint=first.hint or None, code=first.code)


class _Manifest(NamedTuple):
    """The manifest: its file, its path in the wheel, and whether a package of the wheel holds it already."""

    file: str
    inside: str
    is_in_package: bool


class D8BuildHook(BuildHookInterface[Any]):
    """Adds to each wheel what ``mode`` says. An editable wheel is always thin, so that nothing is fetched for it."""

    PLUGIN_NAME = "d8"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill *build_data* before the wheel is packed; a D8Error aborts the build with its message and hint."""
        if self.target_name != "wheel":
            return
        try:
            self._fill(build_data, is_editable=version == "editable")
        except D8Error as error:
            self.app.abort(f"d8: {error}" + (f"\nhint: {error.hint}" if error.hint else ""))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the files that existed only to be packed."""
        folder: tempfile.TemporaryDirectory[str] | None = getattr(self, "_folder", None)
        if folder is not None:
            folder.cleanup()

    def _fill(self, build_data: dict[str, Any], *, is_editable: bool) -> None:
        options = self._options()
        manifest = self._manifest(options.get("manifest"))
        mode = "thin" if is_editable else options.get("mode", "thin")
        platform = "" if is_editable else os.environ.get(PLATFORM) or options.get("platform", "")
        self._folder = tempfile.TemporaryDirectory(prefix="d8-wheel-", ignore_cleanup_errors=True)
        arguments = ["wheel", f"--parts={self._folder.name}", f"--manifest={manifest.inside}", f"--mode={mode}"]
        arguments += [f"--platform={platform}"] if platform else []
        arguments += [f"--lock={os.path.join(self.root, options['lock'])}"] if "lock" in options else []
        arguments += [f"--taken={name}" for name in self._scripts()]
        parts = _Parts.of(run_tool(*arguments, manifest.file, directory=self.root))
        build_data["shared_scripts"].update({path: name for name, path in parts.scripts.items()})
        self._add_metadata(build_data, parts)
        if parts.platform_tag != "any" and not is_editable:
            python = self.build_config.builder.get_default_tag().split("-")[0]
            build_data.update(tag=f"{python}-none-{parts.platform_tag}", pure_python=False)
        if is_editable and (self.build_config.dev_mode_exact or not manifest.is_in_package):
            build_data["extra_metadata"][manifest.file] = (
                FILE_NAME  # the environment has no path to the manifest in the work tree
            )
        elif not manifest.is_in_package:
            build_data["force_include"][manifest.file] = manifest.inside

    def _options(self) -> dict[str, str]:
        """Return our options; an unknown option, or a value that is not text, is a DocumentError."""
        for name, value in self.config.items():
            if name not in (*_OURS, *_HATCHS):
                hint = "the options are manifest, mode, platform and lock"
                raise DocumentError("is not an option of this hook", file="pyproject.toml", key=name, hint=hint)
            if name in _OURS and not isinstance(value, str):
                raise DocumentError("must be text in quotes", file="pyproject.toml", key=name)
        return {name: value for name, value in self.config.items() if isinstance(value, str)}

    def _manifest(self, option: str | None) -> _Manifest:
        """Find the manifest: the one that *option* names, else the only one in the wheel's packages."""
        files = {os.path.realpath(found.path): found.distribution_path for found in self._files()}
        if option is None:
            found = [path for path in files if os.path.basename(path) == FILE_NAME]
            if len(found) != 1:
                raise DocumentError(
                    f"the wheel's packages have {len(found) or 'no'} {FILE_NAME}, and need exactly one",
                    file="pyproject.toml",
                    hint='name it: [tool.hatch.build.hooks.d8] manifest = "src/PACKAGE/d8.toml"',
                )
            return _Manifest(found[0], files[found[0]].replace(os.sep, "/"), True)
        path = os.path.realpath(os.path.join(self.root, option))
        if path in files:
            return _Manifest(path, files[path].replace(os.sep, "/"), True)
        packages = {inside.split(os.sep)[0] for inside in files.values() if inside.endswith(f"{os.sep}__init__.py")}
        if len(packages) != 1:
            raise DocumentError(
                f"{option} is outside the {len(packages)} packages of the wheel",
                file="pyproject.toml",
                key="manifest",
                hint="move it into the package that it belongs to",
            )
        return _Manifest(path, f"{packages.pop()}/{FILE_NAME}", False)

    def _files(self) -> Iterator[Any]:
        return iter(self.build_config.builder.recurse_selected_project_files())

    def _scripts(self) -> Iterator[str]:
        core = self.metadata.core
        yield from (*core.scripts, *core.gui_scripts)
        yield from map(os.path.basename, self.build_config.shared_scripts.values())

    def _add_metadata(self, build_data: dict[str, Any], parts: _Parts) -> None:
        """Add entry points and the dependency. Hatchling reads both from these objects when it packs."""
        core = self.metadata.core
        declared = core.entry_points.pop(MANIFESTS, {})
        wanted = parts.manifests
        if wanted and declared and set(declared.values()) != set(wanted.values()):
            raise DocumentError(
                f"names {', '.join(declared.values())}, but the hook's manifest is {', '.join(wanted.values())}",
                file="pyproject.toml",
                key=f'project.entry-points."{MANIFESTS}"',
                hint="remove it there: the hook adds it",
            )
        if wanted:
            core.entry_points[MANIFESTS] = declared or wanted
        core.scripts.update(parts.console_scripts)
        always = {normalised(r.name) for r in core.dependencies_complex.values() if r.marker is None}
        missing = [name for name in parts.dependencies if name not in always]
        build_data["dependencies"] += missing
        if missing:
            names = ", ".join(missing)
            self.app.display_warning(
                f"d8: add {names} to [project] dependencies too: uv reads them there when it installs from source"
            )


@hookimpl
def hatch_register_build_hook() -> type[D8BuildHook]:
    """Return the hook's class to Hatch."""
    return D8BuildHook
