"""ProfileChoice: which home and which profile a command line means. It reads no settings and locks nothing.

Tab completion passes through here, so nothing third-party is imported.
"""

from __future__ import annotations

import os

from d8_installer.errors import UsageError
from d8_installer.model.profile import Profile
from d8_installer.pipeline.ownership import refuse_untrusted_project
from d8_installer.store import home_state, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d8_installer.model.profile import ProfileKind
    from d8_installer.store.paths import Home


class ProfileChoice:
    """The options ``--home`` and *kind* (``--user``, ``--project``, ``--global``), environment and directory.

    With *begins_project*, the directory becomes a project if none is here.
    """

    __slots__ = ("begins_project", "directory", "environ", "home", "kind")

    def __init__(
        self,
        *,
        home: str | None,
        kind: ProfileKind | None,
        environ: Mapping[str, str],
        directory: str,
        begins_project: bool = False,
    ) -> None:
        self.begins_project = begins_project
        self.home = home
        self.kind = kind
        self.environ = environ
        self.directory = directory

    @property
    def is_global(self) -> bool:
        """Whether the system's profile is meant, which everyone reads and an administrator writes."""
        return self.kind == "system"

    @property
    def chosen_home(self) -> str | None:
        """The home that ``--home`` or the environment names, or None."""
        return paths.chosen_home(self.home, {} if self.is_global else self.environ)

    @property
    def has_own_files(self) -> bool:
        """Whether the home holds its own manifest, because it was chosen by hand or is the system's."""
        return self.is_global or self.chosen_home is not None

    def find_home(self) -> Home:
        """Return the home; raise ConfigError where a newer tool wrote it."""
        usual = paths.global_home if self.is_global else paths.default_home
        home = paths.Home(self.chosen_home or usual(self.environ))
        home_state.check_schema(home)
        return home

    def find_config(self, home: Home) -> str:
        """Return the path of ``config.toml``. The system's lies in its home, so that no person's settings count."""
        return home.config if self.is_global else paths.settings_file(home, self.chosen_home, self.environ)

    def find_profile(self, home: Callable[[], Home], *, default: ProfileKind | None = None) -> Profile:
        """Return the profile of the kind that was typed, else of *default*, else the project's here or the user's."""
        kind = self.kind or default
        if kind == "system":
            return Profile("system", "system", home().config_manifest, home().profile("system").lock)
        project = None if kind == "user" else self._find_project(home)
        if project is not None:
            manifest, lock = os.path.join(project, "d8.toml"), os.path.join(project, "d8.lock")
            return Profile("project", paths.project_directory(project), manifest, lock, project)
        if kind == "project":
            raise UsageError(
                f"no d8.toml in {self.directory} or above it",
                hint="type `d8-installer init` to make one there, or leave --project out",
                code="no-project",
            )
        if self.has_own_files:
            manifest = home().config_manifest
        else:
            manifest = os.path.join(paths.config_directory(self.environ), "d8.toml")
        return Profile("user", "user", manifest, home().profile("user").lock)

    def _find_project(self, home: Callable[[], Home]) -> str | None:
        home_directory = paths.known_home_directory(self.environ)
        project = paths.find_project(self.directory, home_directory)
        if project is None and self.begins_project:
            project = os.path.abspath(self.directory)
            refuse_as_project(project, home_directory)
        if project is not None:
            refuse_untrusted_project(project, self.environ, lambda: self.find_config(home()))
        return project


def refuse_as_project(directory: str, home_directory: str | None) -> None:
    """Raise a UsageError for a directory that must not become a project: HOME, or a root of the file system."""
    if paths.is_above_projects(directory, home_directory):
        raise UsageError(
            f"{directory} is no place for a project: a d8.toml there would count in the directories below it",
            hint="go to the directory of your project; for tools of your own, type `d8-installer install NAME`",
            code="no-project",
        )
