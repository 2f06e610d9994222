"""Which roots are probed, in which order, and what is remembered (rpp.md §2.6)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d8_installer.errors import D8Error, NotAllowedError, NotFoundError, TryAgainError, UnreachableError
from d8_installer.proxy.roots import RootProbe, candidate_roots, trimmed_root

EE = "registry.example/deckhouse/ee"
ROOT = "registry.example/deckhouse"


@pytest.mark.parametrize("edition", ["ce", "be", "se", "se-plus", "ee", "fe"])
def test_an_edition_is_trimmed(edition: str) -> None:
    repository = f"registry.example:5000/deckhouse/{edition}"
    assert candidate_roots(repository) == (repository, "registry.example:5000/deckhouse")
    assert candidate_roots(repository + "/") == candidate_roots(repository)


@pytest.mark.parametrize("repository", ["host/x/EE", "host/x/cse", "host/ee", "/ee", "ee", "host/x/eee", "/x/ee", ""])
def test_what_is_no_edition_below_a_path_stays(repository: str) -> None:
    assert candidate_roots(repository) == (repository,)


@settings(deadline=None)
@given(st.text(alphabet="/eghs-.", max_size=12))
def test_a_candidate_is_the_repository_or_a_prefix_of_it(repository: str) -> None:
    for root in candidate_roots(repository):
        assert repository.startswith(root)
    assert candidate_roots(repository)[-1] == trimmed_root(repository)


def probed(probe: RootProbe, **answers: D8Error | None) -> tuple[object, list[str]]:
    """What a probe of EE ends with, and the roots it tried; *answers* are those of ``ee`` and ``root``."""
    tried: list[str] = []

    def attempt(root: str) -> str:
        tried.append(root)
        error = answers["ee" if root == EE else "root"]
        if error is not None:
            raise error
        return root

    try:
        return probe.run(EE, attempt), tried
    except D8Error as error:
        return error, tried


def test_the_first_success_is_remembered_and_tried_first() -> None:
    probe = RootProbe()
    assert probed(probe, ee=NotFoundError("ee"), root=None) == (ROOT, [EE, ROOT])
    assert probed(probe, ee=None, root=None) == (ROOT, [ROOT])
    assert probed(probe, ee=None, root=NotFoundError("root")) == (EE, [ROOT, EE])
    assert probe.remembered(EE) == EE


def test_a_refusal_is_a_miss_but_a_fault_is_none() -> None:
    probe = RootProbe()
    assert probed(probe, ee=UnreachableError("ee"), root=None) == (ROOT, [EE, ROOT])
    assert probe.remembered(EE) is None
    assert probed(probe, ee=NotAllowedError("ee"), root=None) == (ROOT, [EE, ROOT])
    assert probe.remembered(EE) == ROOT


def test_a_fault_of_the_remembered_root_forgets_nothing() -> None:
    probe = RootProbe()
    probe.remember(EE, ROOT)
    assert probed(probe, ee=None, root=TryAgainError("root")) == (EE, [ROOT, EE])
    assert probe.remembered(EE) == ROOT


def test_the_first_error_that_is_no_miss_is_told() -> None:
    missing, refused, broken = NotFoundError("a"), NotAllowedError("b"), TryAgainError("c")
    assert probed(RootProbe(), ee=missing, root=broken)[0] is broken
    assert probed(RootProbe(), ee=refused, root=missing)[0] is refused
    assert probed(RootProbe(), ee=refused, root=broken)[0] is refused
    assert isinstance(probed(RootProbe(), ee=missing, root=missing)[0], NotFoundError)


def test_another_repository_does_not_see_the_memo() -> None:
    probe = RootProbe()
    probe.remember("other.example/deckhouse/ee", "other.example/deckhouse")
    assert probe.order(EE) == (EE, ROOT)
