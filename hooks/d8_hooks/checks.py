"""The first-party checks of ``doctor`` and ``install``: binaries, d8's directory, endpoint, home, PATH and plugins."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.records import Check, Finding

if TYPE_CHECKING:
    from d8_installer.plugin.records import AskedSource, CheckContext, FindingLevel


@hookimpl
def d8_checks() -> list[Check]:
    """Offer the checks of d8-installer itself."""
    return [
        Check("binaries", run=_binaries),
        Check("d8", run=_laid_out),
        Check("endpoint", run=_endpoint),
        Check("home", run=_home, moments=("doctor", "install")),
        Check("path", run=_path),
        Check("plugins", run=_plugins),
    ]


def _binaries(context: CheckContext) -> list[Finding]:
    if context.missing:
        names = ", ".join(context.missing)
        hint = f"type `{context.command} verify --fix` to install them again"
        return [Finding("error", f"missing: {names}", hint=hint)]
    if context.changed:
        hint = f"type `{context.command} verify --fix` to restore what was installed"
        return [Finding("error", f"{name} was changed: {how}", hint=hint) for name, how in context.changed]
    if context.generation is None:
        return [Finding("ok", f"nothing is installed yet in {context.profile}")]
    count = len(context.binaries)
    findings = [Finding("ok", f"{count} in place in {context.profile}, generation {context.generation}")]
    if context.withheld:
        names = ", ".join(context.withheld)
        hint = f"their launchers work; `{context.command} config set allow IMAGE` admits those of an image"
        findings.append(
            Finding(
                "warning", f"kept out of bin, because the names are reserved or belong to other commands: {names}", hint
            )
        )
    return findings


def _laid_out(context: CheckContext) -> list[Finding]:
    if context.laid_out is None:
        return []
    if context.laid_out_wrong is not None:
        hint = f"type `{context.command} sync`, which lays it out again, or says why it cannot"
        return [Finding("warning", f"in {context.laid_out}: {context.laid_out_wrong}", hint=hint)]
    return [Finding("ok", f"laid out in {context.laid_out}")]


def _endpoint(context: CheckContext) -> list[Finding]:
    if context.endpoint is None:
        hint = f"type `{context.command} config set endpoint https://registry-packages-proxy.example.com`"
        return [Finding("warning", "no endpoint is set or found, so there is no source of images", hint=hint)]
    return [_source(source, is_first=number == 0) for number, source in enumerate(context.sources)]


def _source(source: AskedSource, *, is_first: bool) -> Finding:
    """Report one source's answer. Only the first source's failure is an error; the others can replace a later one."""
    if not source.was_asked:
        return Finding("warning", f"{source.address} was not asked: this run is offline (--offline, D8_OFFLINE)")
    token = f" ({source.identity_kind} from {source.token_from})" if source.token_from else ""
    if source.problem is None:
        return Finding("ok", f"{source.address} answers{token}")
    level: FindingLevel = "error" if is_first else "warning"
    return Finding(level, f"{source.address}{token}: {source.problem}", hint=source.hint)


def _home(context: CheckContext) -> list[Finding]:
    findings = []
    elsewhere = "keep it elsewhere: --home DIR, or D8_INSTALLER_HOME"
    if not context.home_runs_programs:
        problem = f"{context.home} is on a file system that runs no programs (noexec)"
        findings.append(Finding("error", problem, hint=elsewhere))
    if context.moment == "doctor":
        findings += _home_permissions(context, elsewhere)
    if not findings and context.moment == "doctor":
        findings.append(Finding("ok", context.home))
    return findings


def _home_permissions(context: CheckContext, elsewhere: str) -> list[Finding]:
    """Report what any command that writes to the home reports itself."""
    findings = []
    if context.scattered is not None:
        findings.append(Finding("error", context.scattered, hint=f"move it back to {context.home}"))
    for directory in context.not_writable:
        hint = f"make it writable for you, or {elsewhere}"
        findings.append(Finding("error", f"{directory} cannot be written to", hint=hint))
    if context.stranger is not None:
        problem = f"{context.stranger}, who can change every program in it"
        findings.append(Finding("warning", problem, hint=elsewhere))
    if context.open_to_others:
        problem = f"other users may write to {context.home}, and could change every program in it"
        findings.append(Finding("warning", problem, hint=f"type `chmod go-w {shlex.quote(context.home)}`"))
    return findings


def _path(context: CheckContext) -> list[Finding]:
    if context.bin_leads_to is not None:
        problem = f"{context.bin_directory} leads to {context.bin_leads_to}, not to the active binaries"
        return [Finding("error", problem, hint=f"move it away, then type `{context.command} sync`")]
    if context.is_on_path:
        return [Finding("ok", f"{context.bin_directory} is on PATH"), *_shadowed(context)]
    if context.bad_path_entry is not None:
        hint = "choose another home with --home DIR, or D8_INSTALLER_HOME"
        return [Finding("warning", context.bad_path_entry, hint=hint)]
    return [
        Finding("warning", f"{context.bin_directory} is not on PATH", hint=context.path_hint),
        *_shadowed(context),
    ]


def _shadowed(context: CheckContext) -> list[Finding]:
    hint = f"remove that file, or put {context.bin_directory} before its directory on PATH"
    return [Finding("warning", problem, hint=hint) for problem in context.shadowed]


def _plugins(context: CheckContext) -> list[Finding]:
    findings = [
        Finding(
            "error", f"{name} is broken: {why}", hint=f"correct it, or type `{context.command} plugins disable {name}`"
        )
        for name, why in context.broken
    ]
    findings += [
        Finding(
            "error",
            f"{name} is enabled, but not installed in d8-installer's own environment",
            hint=f"type `{_to_add(name)}`, or `{context.command} plugins disable {name}`",
        )
        for name in context.absent
    ]
    findings += [
        Finding("error", f"the plugin {name} is left out: {why}", hint="report it to its author, or uninstall it")
        for name, why in context.broken_manifests
    ]
    findings += [
        Finding(
            "warning", f"{name} is installed and not enabled", hint=f"type `{context.command} plugins enable {name}`"
        )
        for name in context.not_enabled
    ]
    return findings


def _to_add(package: str) -> str:
    from d8_installer.plugin.self_installation import running, to_add

    return to_add(running(), package)
