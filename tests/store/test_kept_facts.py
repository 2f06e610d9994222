"""Kept facts: found without parsing a kubeconfig, dropped when anything that decides about them changes."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from d8_installer.model.facts import ClusterFacts, ModuleFact
from d8_installer.store import fs, kept_facts, recovery
from d8_installer.store.flock import WaitPolicy, say_nothing
from d8_installer.store.kept_facts import SeenKubeconfigs
from d8_installer.store.kubeconfig_choice import KubeconfigChoice
from d8_installer.store.paths import Home

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
KEY = "ab" * 32
FACTS = ClusterFacts(
    kinds=frozenset(["kubernetes", "deckhouse", "modules"]),
    kubernetes="v1.30.1",
    deckhouse=None,
    modules={"stronghold": ModuleFact(is_enabled=True, version="1.3.0"), "old": ModuleFact(is_enabled=False)},
    cluster="https://127.0.0.1:6443",
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(str(tmp_path / "home"))
    fs.replace_file(home.schema, b"1\n")
    return home


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text("not: parsed")
    return file


def choice(*files: Path | str, context: str | None = None, insecure: bool = False, **env: str) -> KubeconfigChoice:
    environ = {"HOME": "/nowhere", "KUBECONFIG": os.pathsep.join(map(str, files)), **env}
    return KubeconfigChoice.of(None, context, environ, "/", insecure=insecure)


def keep(home: Home, chosen: KubeconfigChoice, facts: ClusterFacts = FACTS, now: datetime = NOW) -> None:
    kept_facts.save(home, KEY, SeenKubeconfigs(chosen), facts, now)


def test_what_was_kept_is_found_for_five_minutes(home: Home, kubeconfig: Path) -> None:
    keep(home, choice(kubeconfig))
    for seconds in (0, 299, 300):
        kept = kept_facts.load(home, choice(kubeconfig), NOW + timedelta(seconds=seconds))
        assert kept is not None
        assert (kept.facts, kept.key, kept.time) == (FACTS, KEY, NOW.timestamp())
    late = NOW + timedelta(seconds=301)
    assert kept_facts.load(home, choice(kubeconfig), late) is None
    old = kept_facts.load(home, choice(kubeconfig), late, oldest=None)
    assert old is not None
    assert old.facts == FACTS


def test_a_clock_that_was_set_back_makes_them_stale(home: Home, kubeconfig: Path) -> None:
    keep(home, choice(kubeconfig))
    assert kept_facts.load(home, choice(kubeconfig), NOW - timedelta(seconds=1), oldest=None) is None


def test_a_changed_kubeconfig_is_not_trusted(home: Home, kubeconfig: Path) -> None:
    keep(home, choice(kubeconfig))
    before = kubeconfig.stat()
    kubeconfig.write_text("not: PARSED")
    os.utime(kubeconfig, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kept_facts.load(home, choice(kubeconfig), NOW) is not None, "size, time and inode are all that is compared"
    os.utime(kubeconfig, ns=(0, before.st_mtime_ns + 100))  # NTFS counts in 100 ns
    assert kept_facts.load(home, choice(kubeconfig), NOW) is None
    os.utime(kubeconfig, ns=(0, before.st_mtime_ns))
    kubeconfig.write_text("longer than before")
    os.utime(kubeconfig, ns=(0, before.st_mtime_ns))
    assert kept_facts.load(home, choice(kubeconfig), NOW) is None
    kubeconfig.rename(kubeconfig.with_name("old"))
    kubeconfig.write_text("not: parsed")
    os.utime(kubeconfig, ns=(0, before.st_mtime_ns))
    assert kept_facts.load(home, choice(kubeconfig), NOW) is None
    kubeconfig.unlink()
    assert kept_facts.load(home, choice(kubeconfig), NOW) is None
    kept = kept_facts.load_by_key(home, KEY, NOW)
    assert kept is not None, "who parsed the kubeconfig finds them by their key"


def test_whatever_chooses_the_cluster_counts(home: Home, kubeconfig: Path, tmp_path: Path) -> None:
    keep(home, choice(kubeconfig))
    other = tmp_path / "other"
    for chosen in (
        choice(kubeconfig, other),
        choice(other, kubeconfig),
        choice(kubeconfig, context="prod"),
        choice(kubeconfig, insecure=True),
        choice(kubeconfig, HTTPS_PROXY="http://user:password@127.0.0.1:3128"),
        choice(kubeconfig, no_proxy="*"),
        choice(kubeconfig, HOME="/elsewhere"),
        choice(kubeconfig, KUBERNETES_SERVICE_HOST="10.0.0.1"),
    ):
        assert kept_facts.load(home, chosen, NOW) is None
    same = choice("", kubeconfig, kubeconfig, HTTPS_PROXY="", PATH="/bin")
    assert kept_facts.load(home, same, NOW) is not None, "empty and repeated entries, and other variables, do not count"
    typed = KubeconfigChoice.of(kubeconfig.name, None, {"HOME": "/nowhere", "KUBECONFIG": "x"}, str(tmp_path))
    assert kept_facts.load(home, typed, NOW) is not None, "an option wins, and is relative to the directory"


def test_without_kubeconfig_it_is_the_one_in_the_home_directory() -> None:
    home = os.path.abspath("/u")
    found = (os.path.join(home, ".kube", "config"),)
    assert KubeconfigChoice.of(None, None, {"HOME": home}, "/").files == found
    assert KubeconfigChoice.of(None, None, {"HOME": home, "KUBECONFIG": os.pathsep}, "/").files == ()
    assert KubeconfigChoice.of(None, None, {"HOME": "u"}, "/").files == ()


def test_each_kind_has_its_own_age(home: Home, kubeconfig: Path) -> None:
    keep(home, choice(kubeconfig))
    later = NOW + timedelta(seconds=200)
    newer = ClusterFacts(kinds=frozenset(["kubernetes"]), kubernetes="v1.31.0", cluster="c")
    keep(home, choice(kubeconfig), newer, later)
    kept = kept_facts.load(home, choice(kubeconfig), later)
    assert kept is not None
    assert kept.facts.kinds == FACTS.kinds
    assert (kept.facts.kubernetes, kept.facts.modules) == ("v1.31.0", FACTS.modules)
    assert kept.time == NOW.timestamp(), "the age of the oldest"
    kept = kept_facts.load(home, choice(kubeconfig), later + timedelta(seconds=200))
    assert kept is not None
    assert kept.facts.kinds == {"kubernetes"}


def test_only_the_owner_can_read_them_and_no_secret_is_in_them(home: Home, kubeconfig: Path) -> None:
    keep(home, choice(kubeconfig, HTTPS_PROXY="http://user:hunter2@127.0.0.1:3128"))
    files = [os.path.join(home.facts, name) for name in os.listdir(home.facts)]
    assert len(files) == 2
    if os.name == "posix":
        assert {stat.S_IMODE(os.stat(file).st_mode) for file in files} == {0o600}
        assert stat.S_IMODE(os.stat(home.facts).st_mode) == 0o700
    assert not any(b"hunter2" in Path(file).read_bytes() for file in files)


@pytest.mark.parametrize("file", ["cluster_facts", "found_facts"])
def test_a_damaged_file_counts_as_none(home: Home, kubeconfig: Path, file: str) -> None:
    chosen = choice(kubeconfig)
    keep(home, chosen)
    name = KEY if file == "cluster_facts" else SeenKubeconfigs(chosen).name
    path = Path(getattr(home, file)(name))
    sound = path.read_bytes()
    bad = [sound[:cut] for cut in range(0, len(sound), 7)]
    bad += [sound.replace(b'"schema": 1', b'"schema": 2'), b"[]", b"null", b'{"content": 1}', b"[" * 100_000]
    bad += [sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :] for at in range(0, len(sound), 5)]
    for raw in bad:
        path.write_bytes(raw)
        kept = kept_facts.load(home, chosen, NOW)
        assert kept is None or kept.facts == FACTS, raw
    path.unlink()
    assert kept_facts.load(home, chosen, NOW) is None
    if os.name == "posix":
        path.symlink_to(home.schema)
        assert kept_facts.load(home, chosen, NOW) is None
        path.unlink()
        os.mkfifo(path)
        assert kept_facts.load(home, chosen, NOW) is None, "and nothing waits for a writer"


def test_nothing_is_written_where_there_is_no_home(tmp_path: Path, kubeconfig: Path) -> None:
    home = Home(str(tmp_path / "nowhere"))
    keep(home, choice(kubeconfig))
    assert not os.path.exists(home.root)
    os.mkdir(home.root)
    keep(home, choice(kubeconfig))
    assert os.listdir(home.root) == []


def test_files_do_not_pile_up(home: Home, kubeconfig: Path) -> None:
    for number in range(80):
        keep(home, choice(kubeconfig, context=str(number)))
    assert len(os.listdir(home.facts)) <= 66
    left = Path(home.facts) / f"{KEY}.json.1.tmp"
    left.write_bytes(b"cut")
    os.utime(left, (0, 0))
    keep(home, choice(kubeconfig))
    assert not left.exists()
    assert kept_facts.load(home, choice(kubeconfig), NOW) is not None
    assert kept_facts.forget(home)
    assert os.listdir(home.facts) == []
    assert kept_facts.load(home, choice(kubeconfig), NOW) is None


def test_the_next_writing_command_removes_what_a_killed_one_left(home: Home, kubeconfig: Path) -> None:
    keep(home, choice(kubeconfig))
    left = Path(home.facts) / "user.passes.json.1.tmp"
    left.write_bytes(b"cut")
    recovery.sweep_store(home, WaitPolicy(say_nothing))
    assert not left.exists()
    assert kept_facts.load(home, choice(kubeconfig), NOW) is not None
