"""``d8.lock``: text to value to the same text, and nothing else passes."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from d8_installer.errors import DocumentError
from d8_installer.model.digest import Digest
from d8_installer.model.lock import END, Doubles, Lock, LockedImage, Pin, entry_hashes
from d8_installer.model.reference import ImageName
from d8_installer.model.value import replace
from tests.reaching import reached, reaches, spoilt
from tests.strategies import LINUX, MAC, WINDOWS, any_bytes, flipped, locked_images, locks, near_toml, steady

D = ["sha256:" + digit * 64 for digit in "0123456789abcdef"]
# What docs/explanation/lock.md shows, with a second platform.
TEXT = f"""\
lock_version = 1

[[images]]
name = "stronghold"
image = "deckhouse-cli/plugins/stronghold"
version = "v1.4.2"  # entry 5eab5880b357
index = "{D[0]}"

[images.binaries]
d8-stronghold = "plugin"

[images.requests]
d8-plug-vault = "{D[1]}"
"d8.toml" = "{D[2]}"

[images.platforms.darwin-arm64]
child = "{D[3]}"
layer = "{D[4]}"
size = 1

[images.platforms.linux-amd64]
child = "{D[5]}"
layer = "{D[6]}"
size = 12345678

# end of d8.lock
"""
SINGLE = f"""\
lock_version = 1

[[images]]
name = "deckhouse-cli"
image = "deckhouse-cli"
version = "v1"  # entry 92540c49af36
optional = true

[images.binaries]
d8 = "d8"

[images.requests]
"d8.toml" = "{D[2]}"

[images.platforms.any]
child = "{D[3]}"
layer = "{D[4]}"
size = 1

# end of d8.lock
"""


def parse(text: str) -> Lock:
    return Lock.parse(text.encode(), "d8.lock")


# -- text and value ------------------------------------------------------------------------------------------


@steady
@given(locks)
def test_parse_undoes_render(lock: Lock) -> None:
    assert parse(lock.render()) == lock


@steady
@given(locks)
def test_the_second_render_is_byte_identical(lock: Lock) -> None:
    text = lock.render()
    assert parse(text).render() == text


@steady
@given(locks)
def test_the_order_of_entries_says_nothing(lock: Lock) -> None:
    head, *entries = re.split(r"(?m)^(?=\[\[images\]\]$)", lock.render().removesuffix(END))
    backwards = head + "".join(reversed(entries))
    assert parse(backwards).render() == lock.render()
    assert Lock.of(reversed(lock.images), lock.extra) == lock


@steady
@given(locks, locked_images())
def test_adding_an_image_adds_its_block_only(lock: Lock, image: LockedImage) -> None:
    assume(lock.find(image.name) is None)
    block = f"{image.render()}\n"
    more = Lock.of([*lock.images, image], lock.extra).render()
    assert block in more
    if lock.images:
        assert more.replace(block, "", 1) == lock.render()


def test_the_text_is_that_of_the_design() -> None:
    assert parse(TEXT).render() == TEXT
    assert parse(SINGLE).render() == SINGLE
    assert "".join(re.findall(r"(?m)^\w+(?= =)|^\[.*\]$", TEXT)).startswith(
        "lock_version[[images]]nameimageversionindex"
    )


@steady
@given(locks)
def test_each_entry_is_marked_and_the_end_never_changes(lock: Lock) -> None:
    text = lock.render()
    assert entry_hashes(text) == {str(image.name): image.entry_hash for image in lock.images}
    assert text.endswith(f"\n\n{END}")


@steady
@given(locks, locks)
def test_doubles_are_taken_apart(one: Lock, other: Lock) -> None:
    """One lock's entries after another's: the first or the last of each name, and what is there once in both."""
    text = "\n".join([one.head(), *(image.render() for image in (*one.images, *other.images)), END])
    doubles = Doubles.of(text)
    assert doubles.names == {str(image.name) for image in one.images} & {str(image.name) for image in other.images}
    first = {image.name: image for image in (*other.images, *one.images)}
    last = {image.name: image for image in (*one.images, *other.images)}
    assert parse(doubles.first) == Lock.of(first.values(), one.extra)
    assert parse(doubles.last) == Lock.of(last.values(), one.extra)


@steady
@given(locked_images(), locked_images())
def test_two_edits_of_an_entry_change_its_mark_differently(one: LockedImage, other: LockedImage) -> None:
    other = replace(other, name=one.name)
    assert (one.entry_hash == other.entry_hash) == (one == other)


def test_the_value() -> None:
    (image,) = parse(TEXT).images
    assert image == LockedImage(
        name=ImageName("stronghold"),
        version="v1.4.2",
        index=Digest.parse(D[0]),
        binaries=(("d8-stronghold", "plugin"),),
        requests=(("d8-plug-vault", Digest.parse(D[1])), ("d8.toml", Digest.parse(D[2]))),
        platforms=(
            ("darwin-arm64", Pin(child=Digest.parse(D[3]), layer=Digest.parse(D[4]), size=1)),
            ("linux-amd64", Pin(child=Digest.parse(D[5]), layer=Digest.parse(D[6]), size=12345678)),
        ),
    )
    assert (image.pin_for(LINUX), image.pin_for(WINDOWS)) == (dict(image.platforms)["linux-amd64"], None)
    assert (str(image.top), image.members) == (D[0], ("plugin",))
    assert parse("lock_version = 1").images == ()


def test_a_single_image_serves_every_platform() -> None:
    lock = parse(SINGLE)
    image = lock.find(ImageName("deckhouse-cli"))
    assert image is not None
    assert image.pin_for(LINUX) is image.pin_for(MAC) is image.platforms[0][1]
    assert (str(image.top), image.optional, lock.find(ImageName("x"))) == (D[3], True, None)


def test_members_are_named_once() -> None:
    image = replace(parse(TEXT).images[0], binaries=(("a", "x"), ("b", "d8"), ("c", "x")))
    assert image.members == ("d8", "x")


def test_unknown_keys_stay_at_every_level() -> None:
    text = TEXT.replace("lock_version = 1\n", "lock_version = 1\nnew = 'top'\n[later]\nx = [1, {y = 2}]\n")
    text = text.replace("\n[images.binaries]", "seal = 2026-01-02\n[images.binaries]", 1)
    text = text.replace("size = 1\n", "size = 1\nsigned = [true]\n") + "[images.notes]\nby = 'x'\n"
    lock = parse(text)
    again = parse(lock.render())
    assert again == lock
    assert dict(again.extra) == {"new": "top", "later": {"x": [1, {"y": 2}]}}
    assert again.images[0].extra.keys() == {"seal", "notes"}
    assert again.images[0].platforms[0][1].extra == {"signed": [True]}
    assert parse(again.render()).render() == lock.render()


# -- what does not pass --------------------------------------------------------------------------------------


@reaches("a lock", "refused")
@steady
@given(any_bytes.map(lambda raw: b"lock_version = 1\n" + raw) | spoilt([TEXT.encode()], near_toml.map(str.encode)))
def test_any_bytes_are_a_lock_or_refused(raw: bytes) -> None:
    try:
        lock = Lock.parse(raw, "d8.lock")
    except DocumentError as error:
        reached("refused")
        assert error.file == "d8.lock"
        return
    reached("a lock" if lock.images else "no image")
    assert parse(lock.render()).render() == lock.render()


@steady
@given(locked_images(), st.data())
def test_one_changed_digit_is_another_lock(image: LockedImage, data: st.DataObject) -> None:
    text = Lock.of([image]).render()
    places = [m.start() + 7 for m in re.finditer(r'"sha256:[0-9a-f]{64}"', text)]
    place = data.draw(st.sampled_from(places)) + data.draw(st.integers(1, 64))
    assert parse(flipped(text, place)) != Lock.of([image])


@steady
@given(st.integers(0, len(TEXT) - 1), st.sampled_from("\x000aZ\"'[]{}=.#\n\\"))
def test_any_changed_character_differs_or_is_refused(place: int, character: str) -> None:
    text = TEXT[:place] + character + TEXT[place + 1 :]
    try:
        lock = parse(text)
    except DocumentError as error:
        assert error.file == "d8.lock"
        return
    assert (lock.render() == TEXT) == (parse(TEXT) == lock)


@pytest.mark.parametrize("version", [2, 99, 0, -1])
def test_another_lock_version_is_refused(version: int) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(TEXT.replace("lock_version = 1", f"lock_version = {version}"))
    assert caught.value.message == f"d8.lock:1: lock_version: is {version}; this tool knows 1"
    restore = "restore the file from git, or remove it and type `d8-installer lock`"
    assert caught.value.hint == ("upgrade d8-installer" if version > 1 else restore)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lock_version = 1", "", "d8.lock: `lock_version` is missing"),
        ("lock_version = 1", "lock_version = '1'", "d8.lock:1: lock_version: must be the number 1"),
        ("lock_version = 1", "lock_version = 0x" + "f" * 5000, "d8.lock holds a number of more than 64 bits"),
        ('name = "stronghold"\n', "", "d8.lock:3: images[0]: `name` is missing"),
        ("plugins/stronghold", "plugins/other", "d8.lock:5: images[0].image: is 'deckhouse-cli/plugins/other'"),
        ('image = "deckhouse-cli/plugins', 'image = "proxy/deckhouse-cli/plugins', "d8.lock:5: images[0].image: is"),
        ("v1.4.2", "v1/4", "d8.lock:6: images[0].version: 'v1/4' is not a tag"),
        ("v1.4.2", "1.4+b", "d8.lock:6: images[0].version: '1.4+b' is not a tag"),
        (f'"{D[0]}"', "'x'", "d8.lock:7: images[0].index: 'x' is not a digest"),
        (f'index = "{D[0]}"', "optional = 1", "d8.lock:7: images[0].optional: must be true or false"),
        (f'index = "{D[0]}"', "", "d8.lock:16: images[0].platforms: must name platforms beside an `index`, and `any`"),
        ('d8-stronghold = "plugin"', "", "d8.lock:3: images[0]: has no [images.binaries]"),
        ("d8-stronghold", '"../x"', "d8.lock:10: images[0].binaries.\"../x\": '../x' is not a binary name"),
        ('= "plugin"', '= "/bin/../sh"', "d8.lock:10: images[0].binaries.d8-stronghold: '/bin/../sh' is not a path"),
        ("[images.requests]", "[images.other]", "d8.lock:3: images[0]: has no [images.requests]"),
        (f'"d8.toml" = "{D[2]}"', '"d8.toml" = 3', "d8.lock:14: images[0].requests.\"d8.toml\": '3' is not a digest"),
        ("darwin-arm64", "darwin", "d8.lock:16: images[0].platforms.darwin: 'darwin' is not a platform"),
        ("darwin-arm64", "any", "d8.lock:16: images[0].platforms: must name platforms beside an `index`, and `any`"),
        ("linux-amd64", "linux-amd64.x", "d8.lock:21: images[0].platforms.linux-amd64: `child` is missing"),
        (f'child = "{D[5]}"\n', "", "d8.lock:21: images[0].platforms.linux-amd64: `child` is missing"),
        (f'layer = "{D[6]}"', "layer = 1", "d8.lock:23: images[0].platforms.linux-amd64.layer: '1' is not a digest"),
        ("size = 12345678", "size = 0", "d8.lock:24: images[0].platforms.linux-amd64.size: must be a positive number"),
        ("size = 12345678", "size = -1", "d8.lock:24: images[0].platforms.linux-amd64.size: must be a positive number"),
        ("size = 12345678", "size = true", "d8.lock:24: images[0].platforms.linux-amd64.size: must be a number"),
        ("size = 12345678", f"size = {(1 << 40) + 1}", "d8.lock:24: images[0].platforms.linux-amd64.size: must be"),
    ],
)  # fmt: skip
def test_complaints(old: str, new: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(TEXT.replace(old, new, 1))
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("old", [f'"{D[0]}"', f'"{D[5]}"', f'"{D[6]}"', f'"{D[2]}"'])
def test_nobody_is_told_to_write_a_digest(old: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(TEXT.replace(old, '"sha256:0"', 1))
    assert caught.value.hint == "restore the file from git, or remove it and type `d8-installer lock`"


@pytest.mark.parametrize("name", ["x\nerror: fake", "-x", "x-", "a b", "x\x1b[2J", "новый", "a" * 129, ""])
def test_who_cannot_ask(name: str) -> None:
    """Such a name would stand in what is printed, a line of its own or worse."""
    with pytest.raises(DocumentError) as caught:
        parse(TEXT.replace('"d8.toml" =', f"{json.dumps(name)} =", 1))
    assert "is not a requester: neither d8.toml nor the name of a distribution" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.line == 14


def test_who_can_ask() -> None:
    """Every name that a distribution can have, as it is written or as PyPA compares it."""
    names = ("d8.toml", "d8-plug-vault", "Plug.In_2", "x", "0", "a" * 128)
    lines = "\n".join(f'"{name}" = "{D[2]}"' for name in names)
    before, after = TEXT.index("[images.requests]"), TEXT.index("[images.platforms.darwin")
    lock = parse(f"{TEXT[:before]}[images.requests]\n{lines}\n{TEXT[after:]}")
    assert {who for who, _ in lock.images[0].requests} >= set(names)


def test_no_platforms_at_all() -> None:
    with pytest.raises(DocumentError, match=r"images\[0\]: has no \[images.platforms.…\]"):
        parse(TEXT[: TEXT.index("\n[images.platforms.darwin")])
    with pytest.raises(DocumentError, match=r":8: images\[0\].platforms.linux-amd64: must be a table"):
        text = TEXT[: TEXT.index("\n[images.platforms.darwin")]
        parse(text.replace("\n[images.binaries]", "platforms.linux-amd64 = 1\n[images.binaries]"))


def test_any_stands_alone() -> None:
    with pytest.raises(DocumentError, match="`any` alone where there is none"):
        parse(SINGLE.replace("\nversion =", f"\nindex = '{D[0]}'\nversion ="))
    more = SINGLE[SINGLE.index("[images.platforms.any]") :].replace("any", "linux-amd64")
    with pytest.raises(DocumentError, match="`any` alone where there is none"):
        parse(SINGLE + more)


def test_an_image_is_locked_once() -> None:
    with pytest.raises(DocumentError) as caught:
        parse(TEXT + TEXT.removeprefix("lock_version = 1\n"))
    assert caught.value.message == "d8.lock:29: images[1].name: 'stronghold' is locked twice in this file"
    assert caught.value.hint == "type `d8-installer lock`: it merges what only one side changed, and names the rest"
