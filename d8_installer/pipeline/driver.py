"""Drives the resolving generators: answers each round of their questions from a Source, a bounded number at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from d8_installer.errors import D8Error, MismatchError, NotAllowedError, NotFoundError
from d8_installer.model.reference import PLUGIN_ROOT, is_tag
from d8_installer.model.resolution import Answers, ContractOf, ManifestOf, TagsOf
from d8_installer.model.source import ManifestBytes
from d8_installer.pipeline.contract_answers import builds_of, contract_of, top_of
from d8_installer.pipeline.pool import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from typing import TypeGuard

    from d8_installer.model.contract import Contract
    from d8_installer.model.resolution import Needs, Question
    from d8_installer.model.source import Source

_ABSENT = "check the image's name; `d8-installer config get endpoint` shows where images come from"
ABOUT_ONE_IMAGE = (NotFoundError, MismatchError, NotAllowedError)
"""Errors that concern one image. All other errors, such as a source that does not answer, concern every image."""
_Answer = tuple[str, ...] | ManifestBytes | D8Error | None
Known = dict["Question", "_Answer | Contract"]
"""What a source has answered so far, and the contracts in it."""
R = TypeVar("R")


def drive(
    asking: Generator[Needs, Answers, R],
    source: Callable[[], Source],
    width: int,
    known: Known | None = None,
) -> R:
    """Run *asking* to its end and return its result, with at most *width* requests at once.

    *source* is called at the first question, so that a resolution without questions opens nothing. The first failure of
    the source itself ends the round. *known* holds what was answered before, and gets every new answer.
    """
    known = {} if known is None else known
    try:
        needs = next(asking)
        while True:
            contracts = [need for need in dict.fromkeys(needs) if isinstance(need, ContractOf) and need not in known]
            plain = [need for need in needs if not isinstance(need, ContractOf)]
            _ask([*plain, *map(top_of, contracts)], source, width, known)
            _ask([build for need in contracts for build in builds_of(need, known)], source, width, known)
            known |= {need: contract_of(need, known) for need in contracts}
            needs = asking.send(_answers(needs, known))
    except StopIteration as end:
        result: R = end.value
        return result


def _ask(needs: Iterable[TagsOf | ManifestOf], source: Callable[[], Source], width: int, known: Known) -> None:
    """Add to *known* what the source answers to those of *needs* that are not answered yet."""
    unknown = [need for need in dict.fromkeys(needs) if need not in known]
    if unknown:
        known.update(_answer(unknown, source(), width).items())


def _answer(wanted: Sequence[TagsOf | ManifestOf], source: Source, width: int) -> Mapping[TagsOf | ManifestOf, _Answer]:
    def ask(need: TagsOf | ManifestOf) -> _Answer:
        return _tags_or_fault(source, need.image) if isinstance(need, TagsOf) else _manifest(source, need)

    with workers(min(width, len(wanted))) as pool:
        return dict(zip(wanted, pool.map(ask, wanted), strict=True))


def _answers(needs: Iterable[Question], known: Known) -> Answers:
    """Return what is *known* of the needs. An error is an answer: resolving decides whether the rest goes on."""
    found = {need: known[need] for need in needs}
    tags = {need: answer for need, answer in found.items() if isinstance(need, TagsOf)}
    manifests = {need: answer for need, answer in found.items() if isinstance(need, ManifestOf)}
    contracts = {need: answer for need, answer in found.items() if isinstance(need, ContractOf)}
    return Answers(
        tags={need: answer for need, answer in tags.items() if isinstance(answer, tuple)},
        manifests={need: answer for need, answer in manifests.items() if isinstance(answer, ManifestBytes)},
        absent={need: answer for need, answer in tags.items() if isinstance(answer, D8Error)},
        failed={need: answer for need, answer in manifests.items() if isinstance(answer, D8Error)},
        contracts={need: answer for need, answer in contracts.items() if answer is None or _is_contract(answer)},
        broken={need: answer for need, answer in contracts.items() if isinstance(answer, D8Error)},
    )


def _is_contract(answer: object) -> TypeGuard[Contract]:
    return not isinstance(answer, D8Error | ManifestBytes | tuple)


def _tags_or_fault(source: Source, image: str) -> tuple[str, ...] | D8Error:
    try:
        return usable_tags(source, image)
    except ABOUT_ONE_IMAGE as error:
        return error


def _manifest(source: Source, need: ManifestOf) -> ManifestBytes | D8Error | None:
    try:
        return source.manifest(need.image, need.ref)
    except ABOUT_ONE_IMAGE as error:
        return None if need.may_fail else error
    except D8Error:
        if need.may_fail:
            return None
        raise


def usable_tags(source: Source, image: str) -> tuple[str, ...]:
    """Return the tags of *image* that can be asked for; a source may list anything.

    Raise a NotFoundError with ``image`` if the source has no such image.
    """
    try:
        return tuple(tag for tag in source.tags(image) if is_tag(tag))
    except NotFoundError as error:
        short = image.removeprefix(PLUGIN_ROOT)
        is_version = short.removeprefix("v").replace(".", "").isdecimal()
        hint = f"a version is joined with @, such as stronghold@{short}" if is_version else _ABSENT
        absent = NotFoundError(f"no image {short!r} at {source.name}", hint=hint, code="no-such-image")
        absent.image = short
        raise absent from error
