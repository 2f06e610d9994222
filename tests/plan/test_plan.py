"""Plans: applied on paper, a plan leads to its lock, and the next one is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import ConflictError, NotFoundError
from d8_installer.model.digest import Digest
from d8_installer.model.generation import Generation, Placed
from d8_installer.model.lock import ANY_PLATFORM, Lock, LockedImage, Pin
from d8_installer.model.plan import Fetch, Link, Plan, Step, Unlink
from d8_installer.model.platform import Platform
from d8_installer.model.reference import ImageName
from d8_installer.model.value import replace
from d8_installer.plan.naming import Policy
from d8_installer.plan.plan import Situation, make_plan
from tests.strategies import LINUX, MAC, WINDOWS, image_names, steady

if TYPE_CHECKING:
    from collections.abc import Iterable

Stored = dict[Digest, set[str]]


def of(text: str) -> Digest:
    return Digest.of(text.encode())


def image(name: str = "a", version: str = "v1", **changes: object) -> LockedImage:
    """A locked image with two platforms, asked for by ``d8.toml``; its default binary is ``<name>`` = ``plugin``."""
    pins = {
        str(platform): Pin(child=of(f"c{name}{platform}"), layer=of(f"{name}{version}{platform}"), size=7)
        for platform in (LINUX, MAC)
    }
    known = LockedImage(
        name=ImageName(name),
        version=version,
        index=of(f"index {name} {version}"),
        binaries=((name, "plugin"),),
        requests=(("d8.toml", of(f"request {name}")),),
        platforms=tuple(sorted(pins.items())),
    )
    return replace(known, **changes)


def plan(
    *images: LockedImage, active: Generation | None = None, stored: Stored | None = None, policy: Policy | None = None
) -> Plan:
    return make_plan(
        Lock.of(images), Situation(platform=LINUX, active=active, stored=stored or {}, policy=policy or Policy())
    )


def applied(done: Plan, stored: Stored) -> Generation:
    """Do the plan on paper: fetch into *stored*, and place the target."""
    for step in done.fetches:
        stored.setdefault(step.request.layer, set()).update(step.members)
    for placement in done.target:
        assert placement.member in stored[placement.layer], "everything that is placed was fetched"
    placed = [Placed(one, of(f"{one.layer}{one.member}"), 1) for one in done.target]
    return Generation(
        number=1,
        platform=done.platform,
        time="",
        reason="",
        placed=tuple(sorted(placed, key=lambda one: one.sort_key)),
        lock="",
    )


def names(steps: Iterable[Step], kind: type[Link] | type[Unlink]) -> list[str]:
    return [step.placement.binary for step in steps if isinstance(step, kind)]


# -- whatever the lock ---------------------------------------------------------------------------------------


@st.composite
def installable(draw: st.DrawFn) -> Lock:
    """Locks whose images share no binary, some of them optional, some for any platform."""
    images = []
    for name in draw(st.lists(image_names, max_size=3, unique=True)):
        whole = image(name.short, draw(st.sampled_from(["v1", "v2"])), optional=draw(st.booleans()))
        members = draw(st.lists(st.sampled_from(["plugin", "d8", "x"]), min_size=1, max_size=3))
        whole = replace(whole, binaries=tuple((f"{name}-{n}", member) for n, member in enumerate(members)))
        if draw(st.booleans()):
            whole = replace(whole, index=None, platforms=((ANY_PLATFORM, whole.platforms[0][1]),))
        elif whole.optional and draw(st.booleans()):
            whole = replace(whole, platforms=whole.platforms[:1])
        images.append(whole)
    return Lock.of(images)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Somewhere between nothing and another lock applied on another platform."""
    stored: Stored = {}
    platform = draw(st.sampled_from([LINUX, MAC]))
    before = draw(st.none() | installable())
    active = (
        applied(make_plan(before, Situation(platform=platform, active=None, stored={})), stored)
        if before is not None
        else None
    )
    shadowed = frozenset(draw(st.lists(st.sampled_from(["a-0", "b-0", "deckhouse-cli-0"]))))
    return Situation(
        platform=draw(st.sampled_from([LINUX, MAC])), active=active, stored=stored, policy=Policy(shadowed=shadowed)
    )


@steady
@given(installable(), situations())
def test_a_plan_applied_twice_is_empty(lock: Lock, situation: Situation) -> None:
    done = make_plan(lock, situation)
    stored = {layer: set(members) for layer, members in situation.stored.items()}
    seen = [*(step.request for step in done.fetches), *done.unproven]
    proven = {request.layer: {one.provenance for one in seen if one.layer == request.layer} for request in seen}
    again = make_plan(lock, replace(situation, active=applied(done, stored), stored=stored, proven=proven))
    assert again.is_empty
    assert again == replace(done, steps=(), unproven=())


@steady
@given(installable(), situations())
def test_nothing_is_placed_whose_chain_nobody_saw(lock: Lock, situation: Situation) -> None:
    done = make_plan(lock, situation)
    stored = {layer: set(members) for layer, members in situation.stored.items()}
    applied(done, stored)
    again = make_plan(lock, replace(situation, stored=stored))
    assert {(p.layer, str(p.name)) for p in again.target} == {
        (r.layer, r.image.rpartition("/")[2]) for r in again.unproven
    }


@steady
@given(installable(), situations())
def test_the_steps_are_the_difference(lock: Lock, situation: Situation) -> None:
    done = make_plan(lock, situation)
    before = {one.placement.binary for one in situation.active.placed} if situation.active else set()
    target = {placement.binary for placement in done.target}
    linked = [step.placement for step in done.steps if isinstance(step, Link)]
    assert set(names(done.steps, Unlink)) == before - target
    assert target - before <= {placement.binary for placement in linked} <= target
    assert set(linked) <= set(done.target)
    assert len(set(linked)) == len(linked)
    kinds = [(Fetch, Link, Unlink).index(type(step)) for step in done.steps]
    assert kinds == sorted(kinds), "fetches first, then links, then unlinks"
    assert done.target == tuple(sorted(done.target, key=lambda one: one.sort_key))


@steady
@given(installable(), situations())
def test_only_what_the_store_lacks_is_fetched(lock: Lock, situation: Situation) -> None:
    done = make_plan(lock, situation)
    for step in done.fetches:
        stored = set(situation.stored.get(step.request.layer, ()))
        assert step.members
        assert not stored & set(step.members)
        pinned = lock.find(step.name)
        assert pinned is not None
        assert set(step.members) <= set(pinned.members)
    missing = {(p.layer, p.member) for p in done.target if p.member not in situation.stored.get(p.layer, ())}
    assert {(step.request.layer, member) for step in done.fetches for member in step.members} == missing


@steady
@given(installable(), situations())
def test_removing_everything_only_unlinks(lock: Lock, situation: Situation) -> None:
    active = applied(make_plan(lock, situation), {k: set(v) for k, v in situation.stored.items()})
    done = make_plan(Lock(), replace(situation, active=active))
    assert [type(step) for step in done.steps] == [Unlink] * len(active.placed)
    assert (done.target, done.fetches, done.withheld) == ((), (), ())


@steady
@given(installable())
def test_another_platform_links_everything_again(lock: Lock) -> None:
    stored: Stored = {}
    active = applied(make_plan(lock, Situation(platform=LINUX, active=None, stored=stored)), stored)
    elsewhere = make_plan(lock, Situation(platform=MAC, active=active, stored=stored))
    assert names(elsewhere.steps, Link) == [placement.binary for placement in elsewhere.target]


# -- one image at a time -------------------------------------------------------------------------------------


def test_the_first_plan() -> None:
    done = plan(image())
    fetch, link = done.steps
    pin = image().pin_for(LINUX)
    assert pin is not None
    assert isinstance(fetch, Fetch)
    assert isinstance(link, Link)
    assert (fetch.name, fetch.members) == (ImageName("a"), ("plugin",))
    request = fetch.request
    assert (request.image, request.tag, request.platform) == ("deckhouse-cli/plugins/a", "v1", LINUX)
    assert (request.index, request.child, request.layer, request.size) == (image().index, pin.child, pin.layer, 7)
    assert (link.placement.binary, link.placement.version, link.replaces) == ("a", "v1", None)
    assert link.placement.requests == (of("request a"),)
    assert not done.is_empty


def test_a_single_image_is_asked_for_with_the_platform_and_without_an_index() -> None:
    single = image(index=None, platforms=((ANY_PLATFORM, Pin(child=of("c"), layer=of("l"), size=1)),))
    (fetch,) = plan(single).fetches
    assert (fetch.request.platform, fetch.request.index, fetch.request.child) == (LINUX, None, of("c"))


def test_a_new_version_says_what_it_replaces() -> None:
    stored: Stored = {}
    active = applied(plan(image(), stored=stored), stored)
    done = plan(image(version="v2"), active=active, stored=stored)
    assert [step.replaces for step in done.steps if isinstance(step, Link)] == ["v1"]
    assert len(done.fetches) == 1
    back = plan(image(), active=applied(done, stored), stored=stored)
    assert back.fetches == ()


def test_members_are_fetched_together_and_once() -> None:
    whole = image(binaries=(("a", "plugin"), ("b", "plugin"), ("c", "x"), ("d", "y")))
    pin = whole.pin_for(LINUX)
    assert pin is not None
    (fetch,) = plan(whole, stored={pin.layer: {"y"}}).fetches
    assert fetch.members == ("plugin", "x")


def test_two_images_of_one_layer_are_both_served() -> None:
    shared = Pin(child=of("c"), layer=of("l"), size=1)
    images = [image(name, platforms=(("linux-amd64", shared),)) for name in ("a", "b")]
    assert [fetch.name.short for fetch in plan(*images).fetches] == ["a", "b"]


def test_another_request_links_again_without_a_fetch() -> None:
    stored: Stored = {}
    active = applied(plan(image(), stored=stored), stored)
    requests = (("d8.toml", of("other")), ("x", of("a")), ("y", of("b")))
    done = plan(image(requests=requests), active=active, stored=stored)
    assert [type(step) for step in done.steps] == [Link]
    assert done.target[0].requests == tuple(sorted(map(of, ("other", "a", "b"))))


# -- platforms -----------------------------------------------------------------------------------------------


def test_a_missing_platform() -> None:
    with pytest.raises(NotFoundError, match=r"^a v1 has no build for windows-amd64$") as caught:
        make_plan(Lock.of([image()]), Situation(platform=WINDOWS, active=None, stored={}))
    assert str(caught.value.hint).startswith("it is locked for darwin-arm64, linux-amd64;")


def test_an_optional_image_is_skipped() -> None:
    lock = Lock.of(
        [image("a", optional=True), image("b", platforms=((ANY_PLATFORM, Pin(child=of("c"), layer=of("l"), size=1)),))]
    )
    done = make_plan(lock, Situation(platform=WINDOWS, active=None, stored={}))
    assert done.skipped == (ImageName("a"),)
    assert [placement.binary for placement in done.target] == ["b"]


def test_an_image_that_becomes_skipped_is_unlinked() -> None:
    stored: Stored = {}
    active = applied(plan(image(), stored=stored), stored)
    gone = make_plan(
        Lock.of([image(optional=True)]), Situation(platform=Platform("linux", "s390x"), active=active, stored=stored)
    )
    assert names(gone.steps, Unlink) == ["a"]


# -- names ---------------------------------------------------------------------------------------------------

TWO = [image("a", binaries=(("d8", "plugin"), ("own-a", "x"))), image("b", binaries=(("d8", "plugin"),))]


def test_a_collision_names_both_images() -> None:
    with pytest.raises(ConflictError, match=r"^a and b both offer the binary 'd8'$") as caught:
        plan(*TWO)
    assert caught.value.hint == "pick one: `d8-installer config set owners.d8 b`"


@pytest.mark.parametrize(
    ("owner", "placed"),
    [("a", [("d8", "a"), ("own-a", "a")]), ("b", [("d8", "b"), ("own-a", "a")]), ("nobody", [("own-a", "a")])],
)
def test_owners_decide(owner: str, placed: list[tuple[str, str]]) -> None:
    done = plan(*TWO, policy=Policy(owners={"d8": owner}))
    assert [(placement.binary, str(placement.name)) for placement in done.target] == placed


def test_what_loses_its_name_is_not_fetched() -> None:
    assert [fetch.name.short for fetch in plan(*TWO, policy=Policy(owners={"d8": "a"})).fetches] == ["a"]


FROM_PLUGIN = (("d8-plug", of("r")),)
FROM_OWN = (("d8.toml", of("r")),)
FROM_BOTH = (("d8-plug", of("r")), ("d8.toml", of("r")))


@pytest.mark.parametrize(
    ("requests", "shadowed", "allow", "reserved", "in_bin"),
    [
        (FROM_PLUGIN, "", "", "", True),
        (FROM_PLUGIN, "other", "", "", True),
        (FROM_PLUGIN, "a", "", "", False),
        (FROM_PLUGIN, "a", "a", "", True),
        (FROM_PLUGIN, "a", "d8-plug", "", True),
        (FROM_PLUGIN, "a", "other", "", False),
        (FROM_OWN, "a", "", "", True),
        (FROM_BOTH, "a", "", "", False),
        (FROM_BOTH, "", "", "a", False),
        (FROM_BOTH, "a", "a d8-plug", "a", False),
        (FROM_PLUGIN, "", "", "other", True),
    ],
)
def test_who_may_take_a_name(
    requests: tuple[tuple[str, Digest], ...], shadowed: str, allow: str, reserved: str, in_bin: bool
) -> None:
    words = [frozenset(words.split()) for words in (shadowed, allow, reserved)]
    policy = Policy(owners={}, shadowed=words[0], allow=words[1], reserved=words[2])
    done = plan(image(requests=requests), policy=policy)
    assert [placement.in_bin for placement in done.target] == [in_bin]
    assert len(done.withheld) == (not in_bin)
    assert len(done.fetches) == 1, "launchers reach it all the same"


def test_a_name_that_is_no_longer_shadowed_is_linked() -> None:
    stored: Stored = {}
    withheld = image(requests=FROM_PLUGIN)
    active = applied(plan(withheld, stored=stored, policy=Policy(shadowed=frozenset(["a"]))), stored)
    assert active.find("a") is None
    done = plan(withheld, active=active, stored=stored)
    assert names(done.steps, Link) == ["a"]
    assert applied(done, stored).find("a") is not None


@pytest.mark.parametrize(
    ("asked", "allow", "in_bin"),
    [
        ("d8.toml", "", True),
        ("d8-plug", "", False),
        ("d8-plug", "d8-plug", True),
        ("d8-plug", "d8-other", False),
        ("", "d8-plug", True),
        ("", "d8-other", False),
    ],
)
def test_only_who_asked_for_a_name_takes_it(asked: str, allow: str, in_bin: bool) -> None:
    """A plugin takes no name through an image that the person, or an allowed plugin, wants under other names."""
    names = {("a", "a"): frozenset([asked])} if asked else {}
    policy = Policy(owners={}, shadowed=frozenset(["a"]), allow=frozenset(allow.split()), asked=names)
    done = plan(image(requests=FROM_BOTH), policy=policy)
    assert [placement.in_bin for placement in done.target] == [in_bin]


# -- one file on Windows -------------------------------------------------------------------------------------


def on_windows(*images: LockedImage, policy: Policy | None = None, active: Generation | None = None) -> Plan:
    pins = {one.name: replace(one.platforms[0][1], layer=of(f"{one.name} exe")) for one in images}
    builds = [replace(one, platforms=((str(WINDOWS), pins[one.name]),)) for one in images]
    start = Situation(platform=WINDOWS, active=active, stored={}, policy=policy or Policy())
    return make_plan(Lock.of(builds), start)


def in_bin(made: Plan) -> dict[str, str]:
    return {one.binary: one.name.short for one in made.target if one.in_bin}


def test_a_name_with_exe_is_the_same_name_on_windows_only() -> None:
    a, b = image("a"), image("b", binaries=(("a.exe", "plugin"),))
    assert in_bin(plan(a, b)) == {"a": "a", "a.exe": "b"}
    with pytest.raises(ConflictError, match="a and b both offer the binary"):
        on_windows(a, b)
    assert in_bin(on_windows(a, b, policy=Policy(owners={"a": "b"}))) == {"a.exe": "b"}
    assert in_bin(on_windows(a, b, policy=Policy(owners={"a.exe": "a"}))) == {"a": "a"}


def test_of_two_plugins_the_one_that_has_the_name_keeps_it() -> None:
    wanted = (("x", of("x")),)
    a, b = image("a", requests=wanted), image("b", requests=wanted, binaries=(("a.exe", "plugin"),))
    first = on_windows(b)
    contested = on_windows(a, b, active=applied(first, {of("b exe"): {"plugin"}}))
    assert in_bin(contested) == {"a.exe": "b"}
    assert len(contested.problems) == 1


def test_one_image_with_two_binaries_for_one_file_is_refused_on_windows() -> None:
    both = image("a", binaries=(("a", "plugin"), ("a.exe", "other")))
    assert in_bin(plan(both)) == {"a": "a", "a.exe": "a"}
    with pytest.raises(ConflictError, match=r"'a' and 'a.exe' of a are one file on Windows"):
        on_windows(both)


@pytest.mark.parametrize("reserved", ["a", "a.exe"])
def test_a_reserved_name_is_reserved_with_exe_too(reserved: str) -> None:
    one = image("b", binaries=(("a.exe", "plugin"),))
    assert in_bin(on_windows(one, policy=Policy(reserved=frozenset([reserved])))) == {}
