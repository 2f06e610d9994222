"""The layout beside the Go tool as a pure rule: what follows from a record and from what is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.model.d8_layout import LayoutFile, LayoutRecord, cli_files, plugin_files
from d8_installer.plan.d8_layout import LayoutPlan, make_ending, make_layout_plan

DIRECTORY = "/d8"
Disk = dict[str, str | None]


def files(name: str, version: str, *, contract: str | None = None) -> tuple[LayoutFile, ...]:
    major = int(version[1])
    return tuple(plugin_files(DIRECTORY, name, version, major, executable=f"sha256:{name}{version}", contract=contract))


def carried_out(made: LayoutPlan, disk: Disk) -> Disk:
    """Return the disk after the plan."""
    gone = {one.path for one in made.takes}
    kept = {path: content for path, content in disk.items() if path not in gone}
    return kept | {file.path: file.content for file in made.puts}


PLUGINS = st.sampled_from(["a", "b"])
VERSIONS = st.sampled_from(["v1.0", "v1.1", "v2.0"])
CONTRACTS = st.sampled_from([None, "sha256:c1", "sha256:c2"])
WANTED = st.dictionaries(PLUGINS, st.tuples(VERSIONS, CONTRACTS)).map(
    lambda chosen: [
        file for name, (version, contract) in chosen.items() for file in files(name, version, contract=contract)
    ]
)


@given(st.lists(WANTED, min_size=1, max_size=4))
def test_any_sequence_of_wants_ends_in_just_what_is_wanted(wants: list[list[LayoutFile]]) -> None:
    disk: Disk = {}
    record: LayoutRecord | None = None
    for wanted in wants:
        made = make_layout_plan(wanted, DIRECTORY, record, disk)
        assert made.foreign == ()
        disk, record = carried_out(made, disk), made.done
        assert disk == {file.path: file.content for file in wanted}
        again = make_layout_plan(wanted, DIRECTORY, record, disk)
        assert again.is_empty
        assert again.is_recorded
    ending = make_ending(record or LayoutRecord(directory=DIRECTORY), disk)
    assert carried_out(ending, disk) == {}


@given(WANTED, WANTED, st.integers(0, 20))
def test_a_plan_that_was_cut_anywhere_is_finished_by_the_next(
    before: list[LayoutFile], after: list[LayoutFile], steps: int
) -> None:
    first = make_layout_plan(before, DIRECTORY, None, {})
    disk = carried_out(first, {})
    cut = make_layout_plan(after, DIRECTORY, first.done, disk)
    for file in cut.puts[:steps]:
        disk[file.path] = file.content
    for one in cut.takes[: max(0, steps - len(cut.puts))]:
        del disk[one.path]
    for wanted in (after, before, []):
        made = make_layout_plan(wanted, DIRECTORY, cut.begun, disk)
        assert made.foreign == (), "all that is there is recorded"
        assert set(made.locks) == {one.lock for one in cut.begun.files}
        assert carried_out(made, disk) == {file.path: file.content for file in wanted}


@given(WANTED, WANTED, st.data())
def test_what_others_put_there_is_foreign(
    before: list[LayoutFile], after: list[LayoutFile], data: st.DataObject
) -> None:
    record = make_layout_plan(before, DIRECTORY, None, {}).done
    disk: Disk = {file.path: file.content for file in before}
    places = sorted({file.path for file in (*before, *after)})
    theirs = data.draw(st.sets(st.sampled_from(places)) if places else st.just(set()))
    disk |= dict.fromkeys(theirs, "sha256:theirs")
    made = make_layout_plan(after, DIRECTORY, record, disk)
    assert set(made.foreign) == theirs
    ending = make_ending(record, disk)
    assert not theirs & {one.path for one in ending.takes}
    images = {one.image for one in record.files if one.path in theirs}
    assert not images & {one.image for one in ending.takes}, "the rest of a plugin that others replaced stays too"


def test_the_order_never_runs_a_program_by_an_old_contract_or_a_link_to_nothing() -> None:
    wanted = files("a", "v2.0", contract="sha256:c")
    assert [file.kind for file in wanted] == ["contract", "executable", "current"]
    old = make_layout_plan(files("a", "v1.0"), DIRECTORY, None, {}).done
    made = make_ending(old, {file.path: file.content for file in files("a", "v1.0")})
    assert [one.path for one in made.takes] == ["/d8/plugins/a/current", "/d8/plugins/a/v1/a"]


def test_a_file_of_another_that_is_not_touched_is_nobodys_business() -> None:
    made = make_layout_plan(files("a", "v1.0"), DIRECTORY, None, {"/d8/cache/contracts/a.json": "sha256:theirs"})
    assert made.foreign == ()


def test_the_directories_that_may_be_empty_afterwards() -> None:
    plugin = make_layout_plan(files("a", "v1.0", contract="sha256:c"), DIRECTORY, None, {}).done
    assert {path: list(one.directories) for path, one in ((one.path, one) for one in plugin.files)} == {
        "/d8/cache/contracts/a.json": [],
        "/d8/plugins/a/v1/a": ["/d8/plugins/a/v1"],
        "/d8/plugins/a/current": [],
    }
    cli = make_layout_plan(cli_files("/home/me", "v0.1.0", executable="sha256:x"), DIRECTORY, None, {}).done
    top = "/home/me/.deckhouse-cli/cli/versions"
    assert list(cli.files[0].directories) == [f"{top}/v0.1.0", top]


@given(WANTED, st.booleans())
def test_a_record_reads_as_it_was_written(wanted: list[LayoutFile], is_done: bool) -> None:
    made = make_layout_plan(wanted, DIRECTORY, None, {})
    record = made.done if is_done else made.begun
    assert LayoutRecord.parse(record.render().encode(), "layout.json") == record


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_record_or_an_error(raw: bytes) -> None:
    with pytest.raises(DocumentError, match=r"layout\.json is damaged"):
        LayoutRecord.parse(raw, "layout.json")
