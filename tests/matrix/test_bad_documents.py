"""Bad input in files: manifest, lock, config, the home's own records; and names that must not become files."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.matrix.layers import HOST, MEBIBYTE
from tests.matrix.machine import IMAGE, NAME, NEW, OLD, TO_NEW, check_complaint

if TYPE_CHECKING:
    from pathlib import Path

    from tests.matrix.machine import Machine

IMAGES = f'schema = 1\n[[images]]\nname = "{NAME}"\n'
MANIFESTS: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "d8.toml: `schema` is missing"),
    "syntax": ('schema = 1\n[[images]\nname = "x"\n', r"d8.toml:2: "),
    "cut": (IMAGES + 'version = "=1.', r"d8.toml:4: "),
    "not UTF-8": (b"schema = 1\n# \xff\n", "d8.toml:2: is not UTF-8 text"),
    "NUL": (b"schema = 1\n\0\n", r"d8.toml:2: "),
    "binary": (bytes(range(256)), "d8.toml:.*is not UTF-8|d8.toml:1"),
    "from the future": ("schema = 2\n", "d8.toml:1: schema: is 2; this tool knows 1"),
    "schema is text": ('schema = "1"\n', "d8.toml:1: schema: must be the number 1"),
    "unknown key": (IMAGES + 'vesion = "1"\n', r"d8.toml:4: images\[0\].vesion: unknown key"),
    "unknown table": ("schema = 1\n[imagse]\n", "d8.toml:2: imagse: unknown key"),
    "images is not a list": ("schema = 1\nimages = 1\n", "d8.toml:2: images: must be a list of tables"),
    "no name": ("schema = 1\n[[images]]\n", r"d8.toml:2: images\[0\]: `name` is missing"),
    "bad name": (
        'schema = 1\n[[images]]\nname = "../x"\n',
        r"d8.toml:3: images\[0\].name: '../x' is not an",
    ),
    "twice": (IMAGES + f'[[images]]\nname = "{NAME}"\n', r"images\[1\].name: 'stronghold' is asked for twice"),
    "bad version": (IMAGES + 'version = ">=a"\n', r"d8.toml:4: images\[0\].version"),
    "bad platform": (IMAGES + 'platforms = ["linux/amd64"]\n', r"d8.toml:4: images\[0\].platforms\[0\]"),
    "no platform": (IMAGES + "platforms = []\n", "is empty, so nothing would be installed"),
    "bad digest": (IMAGES + 'version = "===v1"\ndigest = "sha256:1"\n', r"d8.toml:5: images\[0\].digest"),
    "digest without version": (IMAGES + f'digest = "sha256:{"0" * 64}"\n', "needs an exact version beside it"),
    "deep": ("schema = " + "[" * 100_000, "d8.toml:? ?"),
    "long number": ("schema = " + "1" * 10_000, "d8.toml:? ?"),
    "huge": ("schema = 1\n" + "# long\n" * (2 * MEBIBYTE // 7), "d8.toml has .* characters; at most 1048576 are read"),
    "enormous": ("schema = 1\n" + "# long\n" * (8 * MEBIBYTE // 7), "d8.toml has more than .* MB"),
    "many": ("schema = 1\n" + "".join(f'[[images]]\nname = "i{n}"\n' for n in range(5000)), "has 5000 entries"),
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_manifest(machine: Machine, what: str) -> None:
    content, says = MANIFESTS[what]
    machine.manifest.write_bytes(content if isinstance(content, bytes) else content.encode())
    machine.refuses("sync", code=65, says=says)


@pytest.mark.parametrize("verb", [TO_NEW, ("uninstall", NAME), ("upgrade", "--all"), ("lock",), ("use", NAME, NEW)])
def test_no_verb_edits_a_broken_manifest(machine: Machine, verb: tuple[str, ...]) -> None:
    machine.manifest.write_text("schema = 1\n[[images]\n")
    machine.refuses(*verb, code=65, says="d8.toml:2: ")


DEVICES = ("con", "CON", "nul.txt", "lpt1")
NAMES = ("../x", *DEVICES, "a b", "dot.", "", "..", "a/b", "a\\\\b", "é", "-x", "x" * 65)
NO_NAME = "(is not a binary name|is a device name)"


@pytest.mark.parametrize("name", NAMES)
def test_binary_name(machine: Machine, name: str) -> None:
    machine.manifest.write_text(f'{IMAGES}binaries = {{ "{name}" = "plugin" }}\n', encoding="utf-8")
    machine.refuses("sync", code=65, says=rf"d8.toml:4: images\[0\].binaries.*{NO_NAME}")


@pytest.mark.parametrize("name", ["../x", "con", "a b"])
def test_binary_name_in_a_lock(machine: Machine, name: str) -> None:
    document = machine.lock.read_text().replace(f'{NAME} = "plugin"', f'"{name}" = "plugin"')
    machine.lock.write_text(document, encoding="utf-8")
    machine.refuses("sync", "--frozen", code=65, says=rf"d8.lock:\d+: images\[0\].binaries.*{NO_NAME}")


@pytest.mark.parametrize("member", ["../plugin", "usr/../plugin", "a//b", "bin/", "", "..", "a\\u0000b"])
def test_member_name(machine: Machine, member: str) -> None:
    machine.manifest.write_text(f'{IMAGES}binaries = {{ x = "{member}" }}\n')
    machine.refuses("sync", code=65, says="is not a (file name|path) in an image")


# --- the lock -------------------------------------------------------------------------------------------------

DIGEST = f"sha256:{'0' * 64}"
LOCKS: dict[str, tuple[tuple[str, str] | bytes, str]] = {
    "empty": (b"", "d8.lock: `lock_version` is missing"),
    "syntax": (b"lock_version = 1\n[[images]\n", "d8.lock:2: "),
    "merge conflict": (b"lock_version = 1\n<<<<<<< HEAD\n", "d8.lock:2: "),
    "not UTF-8": (b"lock_version = 1\n\xff", "d8.lock:2: is not UTF-8"),
    "from the future": (("lock_version = 1", "lock_version = 2"), "lock_version: is 2; this tool knows 1"),
    "another image": ((f'"{IMAGE}"', '"deckhouse-cli/plugins/other"'), "the image of 'stronghold' is"),
    "another repository": ((f'"{IMAGE}"', '"../../etc"'), "the image of 'stronghold' is"),
    "bad tag": ((f'"{OLD}"', '"v1/../.."'), "is not a tag"),
    "no digest": (("index = ", "#"), "must name platforms beside an `index`"),
    "short digest": (('layer = "sha256:', 'layer = "sha256:0'), "layer"),
    "weak digest": (('layer = "sha256:', 'layer = "md5:'), "layer"),
    "no size": (("size = ", "# "), "`size` is missing"),
    "negative size": (("size = ", "size = -"), "must be a positive number"),
    "fantastic size": (("size = ", "size = 99999999999"), "must be a positive number"),
    "bad platform": ((f"platforms.{HOST}", "platforms.linux"), "is not a platform"),
    "deep": (b"lock_version = " + b"[" * 100_000, "d8.lock"),
    "enormous": (b"lock_version = 1\n" + b"#" * (65 * MEBIBYTE), "d8.lock has more than .* MB"),
}


@pytest.mark.parametrize("what", LOCKS)
def test_lock(machine: Machine, what: str) -> None:
    change, says = LOCKS[what]
    text = machine.lock.read_text()
    if isinstance(change, tuple):
        assert change[0] in text
    machine.lock.write_bytes(change if isinstance(change, bytes) else text.replace(*change, 1).encode())
    machine.refuses("sync", "--frozen", code=65, says=says)


def test_lock_is_missing_or_stale(machine: Machine) -> None:
    machine.manifest.write_text(f'{IMAGES}version = ">=1.4.2"\n')
    machine.refuses("sync", "--locked", code=65, says="d8.lock is stale: stronghold is locked at v1.4.1, which d8.toml")
    machine.refuses("lock", "--check", code=65, says="d8.lock is stale")
    machine.lock.unlink()
    for words in (("sync", "--locked"), ("sync", "--frozen"), ("lock", "--check")):
        machine.refuses(*words, code=65, says="d8.lock is missing")


# --- config and home ------------------------------------------------------------------------------------------

CONFIGS = {
    "syntax": ("endpoint = \n", "config.toml:1: "),
    "unknown key": ('endpont = "https://x"\n', "config.toml:1: endpont: unknown key"),
    "wrong type": ("endpoint = 5\n", "config.toml:1: endpoint: must be text"),
    "bad owner": ('[owners]\n"../x" = "stronghold"\n', "config.toml:2: owners.*is not a binary name"),
    "bad retention": ("retention = 0\n", "retention: must be between"),
    "huge": ("# long\n" * (2 * MEBIBYTE // 7), "config.toml has more than .* MB"),
}


@pytest.mark.parametrize("what", CONFIGS)
def test_config(machine: Machine, what: str) -> None:
    content, says = CONFIGS[what]
    (machine.config / "config.toml").write_text(content)
    machine.refuses(*TO_NEW, code=78, says=says)
    machine.refuses("config", "set", "retention", "5", code=78, says=says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("2\n", "has schema 2, and this tool knows 1"),
        ("x\n", "is damaged"),
        ("", "is damaged"),
        ("9" * 60, "has schema 999"),
    ],
)
def test_home_of_another_schema(machine: Machine, content: str, says: str) -> None:
    (machine.data / "schema").write_text(content)
    for words in (TO_NEW, ("sync",), ("list",)):
        machine.refuses(*words, code=78, says=says, lists=False)


def test_home_that_is_a_file(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("foreign\n")
    for home in (tmp_path / "file", tmp_path / "file/below"):
        machine.refuses("--home", str(home), *TO_NEW, code=73, says="file")
    assert (tmp_path / "file").read_text() == "foreign\n"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (".profile", ("ensurepath",)),
        (".config/d8-installer/config.toml", ("config", "set", "retention", "5")),
    ],
    ids=["ensurepath", "config"],
)
def test_link_to_a_device_is_not_replaced(machine: Machine, tmp_path: Path, place: str, words: tuple[str, ...]) -> None:
    """As root, a rename over ``/dev/null`` would succeed. The device here is one of the test's own."""
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.read_bytes()
    except OSError:
        pytest.skip("only root may make devices, and not on every file system")
    (machine.home / place).symlink_to(device)
    machine.refuses(*words, code=73, says="it is not a regular file")
    assert device.is_char_device()


RECORDS = ("tags.json", "profiles/user/stamp.json", "profiles/user/generations/1/generation.json", "store/layers")


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("damage", [b"", b'{"tags": 5}', None], ids=["empty", "other", "gone"])
def test_damaged_record_is_repaired_or_named(machine: Machine, record: str, damage: bytes | None) -> None:
    path = machine.data / record
    path = next(path.iterdir()) if path.is_dir() else path
    path.parent.chmod(0o755)
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    for words in (("sync",), TO_NEW):
        done = machine.run(*words)
        assert "Traceback" not in done.err, done
        if done.code != 0:
            check_complaint(done, 65, path.name)
        assert machine.leftovers() == []
    damaged_memory = record == "tags.json" and damage is not None
    assert machine.say() == f"{OLD if damaged_memory else NEW} {HOST} !\n"


def test_lost_executable_is_fetched_again(machine: Machine) -> None:
    stored = machine.binary.resolve()
    stored.unlink()
    machine.succeeds("sync")
    assert machine.say() == f"{OLD} {HOST} !\n"


# --- a name that is a command already -------------------------------------------------------------------------


def test_name_of_another_command(machine: Machine) -> None:
    """The person's own manifest may; a plugin's may not, unless the person allows it."""
    machine.manifest.write_text(f'{IMAGES}version = "=1.4.1"\nbinaries = {{ ls = "plugin", {NAME} = "plugin" }}\n')
    (warning,) = [line for line in machine.succeeds("sync").err.splitlines() if line.startswith("warning")]
    assert "/ls is on PATH, so the command ls will not be the one in " in warning
    assert (machine.data / "bin/ls").exists()
    machine.manifest.write_text("schema = 1\n")
    machine.lock.write_text(machine.lock.read_text().replace('"d8.toml" = ', "d8-plug-x = "))
    done = machine.succeeds("sync", "--frozen", "--json")
    assert done.err.count("warning: ls of stronghold is kept out of bin") == 1
    assert json.loads(done.out)["data"]["withheld"] == ["ls"]
    assert not (machine.data / "bin/ls").exists()
    assert machine.say() == f"{OLD} {HOST} !\n"
    machine.succeeds("config", "set", "allow", "d8-plug-x")
    machine.succeeds("sync", "--frozen")
    assert (machine.data / "bin/ls").exists()
