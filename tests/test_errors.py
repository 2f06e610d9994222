"""The error tree: context is added by ``within`` alone, and a sentence about a file needs no colon."""

from __future__ import annotations

from d8_installer.errors import ConflictError, D8Error, DocumentError, MismatchError, NotFoundError


def test_within_adds_context_and_keeps_class_facts_and_cause() -> None:
    cause = ValueError("low")
    error = ConflictError("no version fits", file="d8.toml", key="images", line=3, hint="loosen one")
    error.conflicts = ({"image": "d8"},)
    error.__cause__ = cause
    wider = error.within("plugin x", more="and that is all")
    assert type(wider) is ConflictError
    assert wider.message == str(wider) == "plugin x: d8.toml:3: images: no version fits; and that is all"
    assert (wider.file, wider.key, wider.line, wider.hint, wider.conflicts) == (
        "d8.toml",
        "images",
        3,
        "loosen one",
        error.conflicts,
    )
    assert wider.__cause__ is cause
    assert error.message == "d8.toml:3: images: no version fits"


def test_within_replaces_the_hint_only_when_there_is_a_new_one() -> None:
    error = NotFoundError("x is gone", hint="old")
    error.image = "x"
    assert error.within("here").hint == "old"
    wider = error.within(hint="new")
    assert (wider.message, wider.hint, wider.image, error.hint) == ("x is gone", "new", "x", "old")


def test_within_needs_nothing_of_a_constructor() -> None:
    class WithFactsError(MismatchError):
        def __init__(self, expected: int, got: int) -> None:
            super().__init__(f"{got} bytes instead of {expected}")
            self.expected = expected

    wider = WithFactsError(3, 2).within("layer")
    assert (str(wider), wider.expected) == ("layer: 2 bytes instead of 3", 3)


def test_a_sentence_about_a_file_has_no_colon_until_a_place_comes_between() -> None:
    error = DocumentError("is missing", file="d8.lock", about_file=True)
    assert error.message == "d8.lock is missing"
    assert error.at(line=2).message == "d8.lock:2: is missing"
    assert DocumentError("is missing", about_file=True).at(file="d8.lock").message == "d8.lock is missing"
    assert DocumentError("`schema` is missing", file="d8.toml").message == "d8.toml: `schema` is missing"
    assert isinstance(error, D8Error)
