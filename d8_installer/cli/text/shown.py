"""What ``show`` found of an image, in lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.cli.text.contracts import contract_lines
from d8_installer.model.plurals import sized

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d8_installer.ops.show import NeededPlugin, Requirements, ShownImage

_VERSIONS = 10


def shown_lines(result: ShownImage) -> list[str]:
    """Return the version, what it is made of, what it requires, and who needs it."""
    return list(_lines(result))


def _lines(result: ShownImage) -> Iterator[str]:
    yield f"{result.image} {result.version}{_state(result)}"
    if result.contract is not None and result.contract.description:
        yield f"  {' '.join(result.contract.description.split())}"
    yield f"digest: {result.top}"
    if result.versions is not None:
        yield _versions(result)
    yield "platforms:"
    yield from (f"  {build.platform}  {sized(build.size)}  {build.child}" for build in result.builds)
    yield from _contract(result)
    if result.needed_by:
        yield "needed by:"
        yield from (f"  {one.requester} {one.range or ''}".rstrip() for one in result.needed_by)


def _state(result: ShownImage) -> str:
    if result.placed == result.version:
        return ", installed"
    if result.locked is not None:
        return f", and {result.placed or result.locked} is {'installed' if result.placed else 'locked'}"
    return ", not installed"


def _versions(result: ShownImage) -> str:
    known = result.versions or ()
    more = f", and {len(known) - _VERSIONS} more" if len(known) > _VERSIONS else ""
    return f"versions: {', '.join(known[:_VERSIONS])}{more}"


def _contract(result: ShownImage) -> Iterator[str]:
    if result.contract is None:
        yield "no contract"
        return
    lines = contract_lines(result.contract)
    yield "contract:" if lines else "contract: it requires nothing"
    yield from (f"  {line}" for line in lines)
    if result.requirements is not None:
        yield from _met(result.requirements)
    if result.needs:
        yield "plugins:"
        yield from (f"  {_plugin(need)}" for need in result.needs)


def _met(requirements: Requirements) -> Iterator[str]:
    judgement = requirements.judgement
    if judgement is None:
        yield "requirements: not checked"
        return
    where = f" by {requirements.cluster}" if requirements.cluster else ""
    yield f"requirements: {'met' if judgement.is_met else 'not met'}{where}"
    yield from (f"  {one.text}" for one in judgement.unmet)
    yield from (f"  {text}" for text in judgement.warnings)


def _plugin(need: NeededPlugin) -> str:
    named = f"{need.name} {need.range}".rstrip()
    if need.built_in:
        return f"{named}: a part of d8"
    if need.locked is None:
        return f"{named}: not installed{', which is fine' if need.if_present else ''}"
    state = {True: "which will do", False: "which is not in the range", None: "but the range cannot be read"}
    return f"{named}: {need.locked} is installed, {state[need.met]}"
