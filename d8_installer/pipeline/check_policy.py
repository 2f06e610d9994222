"""When requirements are compared with a cluster, and what is said if they are not: one pure function.

docs/explanation/requirements.md has the same rules as a table. What is read, and from where, is in ``cluster_checks``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from d8_installer.errors import ConfigError
from d8_installer.model.value import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from d8_installer.model.config import CheckMode

Connection = Literal["kubeconfig", "account", "none"]
"""Where a cluster is configured: in a kubeconfig, only by the account of the pod that this process runs in, nowhere."""
Purpose = Literal["choose", "admit", "report", "read"]
"""What facts are for: to choose versions, to admit the chosen ones, to report on what is installed, or to be shown."""

SKIP_VARIABLE = "D8_PLUGINS_SKIP_CLUSTER_CHECKS"
_UNCHECKED = "requirements not checked"
_WAYS = "--facts FILE and --skip-cluster-checks do without a cluster"
_CONFIGURE = "log in to the cluster so that there is a kubeconfig, or name one with --kubeconfig FILE"


class Occasion(Struct, frozen=True, kw_only=True):
    """What a command is about.

    ``held_by``: the option or command that contacts no cluster under "auto", such as "--locked". ``is_offline``: no
    network at all. ``is_shared``: the lock is a project's, so one person's cluster must not choose its versions.
    ``places``: the command goes on to place what it locks, so that ``admit`` follows ``choose``.
    """

    held_by: str | None = None
    is_offline: bool = False
    is_shared: bool = False
    places: bool = True


class CheckSettings(Struct, frozen=True, kw_only=True):
    """What options, environment and settings say. ``skipped_by`` names the switch that skips the checks."""

    mode: CheckMode = "auto"
    skipped_by: str | None = None
    has_facts_file: bool = False


class Decision(Struct, frozen=True):
    """Where facts come from; None if requirements are not checked, and then ``said`` is the note that says why."""

    facts_from: Literal["file", "cluster"] | None
    said: str | None = None


def decide(
    settings: CheckSettings, occasion: Occasion, purpose: Purpose, connection: Callable[[], Connection]
) -> Decision:
    """Return where the facts for *purpose* come from. *connection* is asked only if it matters.

    Raise a ConfigError if the cluster must be asked, and cannot be.
    """
    if purpose == "read":
        _refuse_unreadable("the facts of the cluster cannot be read", settings, occasion, connection)
        return Decision("cluster")
    if settings.has_facts_file:
        return Decision("file")
    if settings.skipped_by is not None:
        return Decision(None, f"{_UNCHECKED}: {settings.skipped_by}")
    if settings.mode == "always" or purpose == "report":
        try:
            _refuse_unreadable("requirements cannot be checked", settings, occasion, connection)
        except ConfigError as error:
            raise error.within(hint=f"{error.hint}; {_WAYS}") from error
        return Decision("cluster")
    if settings.mode == "never":
        return Decision(None)
    return _decide_automatically(occasion, purpose, connection)


def _decide_automatically(occasion: Occasion, purpose: Purpose, connection: Callable[[], Connection]) -> Decision:
    held_by = "--offline" if occasion.is_offline else occasion.held_by
    if purpose == "choose" and occasion.is_shared:
        if occasion.places:
            return Decision(None)  # `admit` checks the versions that were chosen, and says why if it does not
        return Decision(None, f"{_UNCHECKED}: facts choose the versions of a project only with --facts FILE")
    if held_by is not None:
        return Decision(None, f"{_UNCHECKED}: {held_by} contacts no cluster (--facts FILE checks without one)")
    if connection() != "kubeconfig":
        return Decision(None, f"{_UNCHECKED}: no cluster is configured")
    return Decision("cluster")


def _refuse_unreadable(
    what: str, settings: CheckSettings, occasion: Occasion, connection: Callable[[], Connection]
) -> None:
    """Raise a ConfigError that begins with *what* if there is no cluster that may be asked."""
    if occasion.is_offline:
        raise ConfigError(
            f"{what}: --offline contacts no cluster", hint="leave out --offline (D8_OFFLINE)", code="no-cluster"
        )
    found = connection()
    if found == "none":
        raise ConfigError(f"{what}: no cluster is configured", hint=_CONFIGURE, code="no-cluster")
    if found == "account" and settings.mode != "always":
        raise ConfigError(
            f"{what}: there is only the account of this pod, which is not used unless cluster_checks is always",
            hint="type `d8-installer config set cluster_checks always`, or name a kubeconfig with --kubeconfig FILE",
            code="no-cluster",
        )
