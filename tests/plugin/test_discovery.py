"""The scan of environments: text only, names that pass, and manifests that are the distribution's own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.plugin.discovery import Scan, scan
from d8_installer.plugin.dist_info import HOOKS, VERIFIERS, normalised
from d8_installer.plugin.environments import Environment
from tests.installed import Plugin, install, library, manifest, write_recorded
from tests.reaching import reached, reaches, spoilt
from tests.strategies import steady

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return library(tmp_path / "venv")


def scanned(place: Path) -> Scan:
    return scan([Environment(str(place.parents[2]), "venv", (str(place),))])


def complaint(place: Path) -> str:
    """Return the one complaint of a scan that found no good plugin."""
    read = scanned(place)
    assert read.plugins == ()
    (broken,) = read.broken
    assert broken.error.file
    assert broken.error.hint
    return str(broken.error)


def test_a_plugin_is_found_with_all_that_is_told_of_it(place: Path) -> None:
    installed = install(place, "d8-plug-hello", "1.0", manifest("hello", ">=1"))
    (found,) = scanned(place).plugins
    assert (found.name, found.distribution.version, found.editable) == ("d8-plug-hello", "1.0", False)
    assert found.file == str(installed.file)
    assert found.distribution.environment.path == str(place.parents[2])
    assert [(str(r.name), r.version.text) for r in found.manifest.requests] == [("hello", ">=1")]


def test_nothing_of_a_plugin_is_imported(place: Path) -> None:
    install(place, "d8-plug-hello", "1.0", manifest())
    before = set(sys.modules)
    assert scanned(place).plugins
    assert "d8_plug_hello" not in set(sys.modules) - before


def test_what_names_us_not_is_no_plugin(place: Path) -> None:
    install(place, "other", "1.0", manifest(), "[console_scripts]\nother = other:main\n")
    install(place, "speaks", "1.0", manifest(), "[console_scripts]\nx = d8_installer.manifests:main\n")
    (place / "empty-1.dist-info").mkdir()
    (place / "file-1.dist-info").touch()
    assert scanned(place) == Scan()


def test_groups_of_code_are_seen_without_a_manifest(place: Path) -> None:
    install(place, "D8.Plug_Vault", "1.0", manifest(), f"[{HOOKS}]\nv = vault.hooks\n[{VERIFIERS}]\nv=vault:verify\n")
    (found,) = scanned(place).distributions
    assert (found.name, found.groups) == (
        "d8-plug-vault",
        {HOOKS: {"v": "vault.hooks"}, VERIFIERS: {"v": "vault:verify"}},
    )
    assert scanned(place).plugins == ()


@pytest.mark.parametrize(
    "text", ["# c\n[ d8_installer.manifests ]\n; c\n plug  =  d8_plug_hello : d8.toml \n\n[x]\ny=z\n"]
)
def test_entry_points_are_read_as_the_specification_allows(place: Path, text: str) -> None:
    install(place, "d8-plug-hello", "1.0", manifest(), text)
    assert [plugin.name for plugin in scanned(place).plugins] == ["d8-plug-hello"]


def test_two_manifests_of_one_plugin_are_joined_and_may_not_overlap(place: Path) -> None:
    both = "[d8_installer.manifests]\na = p:d8.toml\nb = p:more.toml\n"
    files = {"p/d8.toml": manifest("a"), "p/more.toml": manifest("b"), "p-1.dist-info/entry_points.txt": both}
    write_recorded(place, "p-1.dist-info", {path: text.encode() for path, text in files.items()})
    (found,) = scanned(place).plugins
    assert [str(request.name) for request in found.manifest.requests] == ["a", "b"]
    files["p/more.toml"] = manifest("a", "=1")
    write_recorded(place, "p-1.dist-info", {path: text.encode() for path, text in files.items()})
    assert "asks for a, and another manifest of p does too" in complaint(place)


# -- what is hostile or broken ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("this is no TOML", "d8.toml:1"),
        (manifest("../x"), "images[0].name"),
        ('schema = 1\n[[images]]\nname = "hello"\nbinaries = { "../../bin/ls" = "plugin" }\n', "is not a binary name"),
        ('schema = 1\n[[images]]\nname = "hello"\nbinaries = { "/bin/ls" = "plugin" }\n', "is not a binary name"),
        ('schema = 1\n[[images]]\nname = "hello"\nbinaries = { con = "plugin" }\n', "device name"),
        ('schema = 1\nendpoint = "https://evil.example"\n', "unknown key `endpoint`"),
        ("schema = 2\n", "this tool knows 1"),
        pytest.param("#" * (10 << 20), "has more than 1.0 MB", id="10 MB"),
    ],
)
def test_a_bad_manifest_is_named_with_its_place(place: Path, text: str, says: str) -> None:
    install(place, "d8-plug-bad", "1.0", text)
    assert says in complaint(place)


@pytest.mark.parametrize(
    "value",
    ["../x:d8.toml", "d8_plug_bad", "/etc:passwd", "d8_plug_bad:../../x", "d8_plug_bad:a/b", "a b:c", ":d8.toml"],
)
def test_a_value_that_is_no_package_and_file_is_refused(place: Path, value: str) -> None:
    install(place, "d8-plug-bad", "1.0", manifest(), f"[d8_installer.manifests]\nx = {value}\n")
    assert "is not PACKAGE:FILE" in complaint(place)


def test_another_packages_file_is_not_its_own(place: Path) -> None:
    install(place, "victim", "1.0", manifest(), "[console_scripts]\nx = victim:main\n")
    install(place, "d8-plug-bad", "1.0", manifest(), "[d8_installer.manifests]\nx = victim:d8.toml\n")
    assert "does not list victim/d8.toml" in complaint(place)


def test_a_changed_manifest_is_not_what_was_installed(place: Path) -> None:
    installed = install(place, "d8-plug-bad", "1.0", manifest())
    installed.file.write_text(manifest("evil"))
    assert "is not the file that was installed" in complaint(place)


@pytest.mark.parametrize("algorithm", ["md5=x", "", "sha1=abc"])
def test_a_record_without_a_strong_hash_does_not_vouch(place: Path, algorithm: str) -> None:
    installed = install(place, "d8-plug-bad", "1.0", manifest())
    record = installed.dist_info / "RECORD"
    record.write_text(f"d8_plug_bad/d8.toml,{algorithm},3\n")
    assert "has no sha256" in complaint(place)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can leave a RECORD out")
def test_without_a_record_only_roots_files_count(place: Path) -> None:
    installed = install(place, "d8-plug-system", "1.0", manifest())  # as Debian does, which removes RECORD
    (installed.dist_info / "RECORD").unlink()
    assert [plugin.name for plugin in scanned(place).plugins] == ["d8-plug-system"]
    for path in (installed.dist_info, installed.file, place):
        path.chmod(path.stat().st_mode | 0o020)
        assert "RECORD" in complaint(place)
        path.chmod(path.stat().st_mode & ~0o020)
    os.chown(installed.dist_info, 1234, 1234)
    (installed.dist_info / "INSTALLER").write_text("pip\n")
    assert "has no RECORD" in complaint(place)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_linked_dist_info_is_no_distributions_own(place: Path, tmp_path: Path) -> None:
    installed = install(place, "d8-plug-bad", "1.0", manifest())
    installed.dist_info.rename(tmp_path / installed.dist_info.name)
    installed.dist_info.symlink_to(tmp_path / installed.dist_info.name)
    assert "is a symbolic link" in complaint(place)


@pytest.mark.skipif(os.name == "nt", reason="no pipes in the file system there")
def test_a_pipe_does_not_hang_the_scan(place: Path) -> None:
    installed = install(place, "d8-plug-bad", "1.0", manifest())
    installed.file.unlink()
    os.mkfifo(installed.file)
    assert "not a regular file" in complaint(place)
    (installed.dist_info / "entry_points.txt").unlink()
    os.mkfifo(installed.dist_info / "entry_points.txt")
    assert scanned(place) == Scan()


def test_one_broken_plugin_leaves_the_others(place: Path) -> None:
    install(place, "a-bad", "1.0", "nonsense")
    install(place, "b-good", "1.0", manifest())
    install(place, "c-bad", "1.0", "nonsense")
    read = scanned(place)
    assert [plugin.name for plugin in read.plugins] == ["b-good"]
    assert [broken.distribution.name for broken in read.broken] == ["a-bad", "c-bad"]


@reaches("a plugin", "broken")
@steady
@given(st.binary(max_size=400) | spoilt([b"y = other\n[console_scripts]\nz = z:main\n"]))
def test_any_entry_points_give_a_scan(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    place = library(tmp_path_factory.mktemp("fuzz"))
    installed = install(place, "d8-plug-x", "1.0", manifest())
    (installed.dist_info / "entry_points.txt").write_bytes(b"[d8_installer.manifests]\nx = d8_plug_x:d8.toml\n" + raw)
    read = scanned(place)
    assert len(read.plugins) + len(read.broken) <= 1
    reached("a plugin" if read.plugins else "broken" if read.broken else "neither")


@steady
@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True))
def test_a_name_normalised_twice_is_the_same(name: str) -> None:
    once = normalised(name)
    assert normalised(once) == once
    assert normalised(name.upper().replace("-", "__")) == once


# -- editable installs -----------------------------------------------------------------------------------------


def editable(place: Path, source: Path, files: dict[str, str]) -> Plugin:
    """Install as ``pip install -e`` does: metadata alone, and whatever leads to the work tree."""
    info = "d8_plug_e-1.0.dist-info"
    everything = {
        f"{info}/entry_points.txt": "[d8_installer.manifests]\nplug = d8_plug_e:d8.toml\n",
        f"{info}/direct_url.json": f'{{"dir_info": {{"editable": true}}, "url": "{source.as_uri()}"}}',
        **files,
    }
    write_recorded(place, info, {path: text.encode() for path, text in everything.items()})
    return Plugin(place, "d8-plug-e", "1.0")


def test_an_editables_manifest_is_the_work_trees(place: Path, tmp_path: Path) -> None:
    source = tmp_path / "work tree/src"
    (source / "d8_plug_e").mkdir(parents=True)
    (source / "d8_plug_e/d8.toml").write_text(manifest("from-source"))
    editable(place, tmp_path, {"__editable__.d8_plug_e.pth": f"import os; os._exit(1)\n{source}\n"})
    (found,) = scanned(place).plugins
    assert found.editable
    assert str(found.manifest.requests[0].name) == "from-source"
    (source / "d8_plug_e/d8.toml").write_text(manifest("edited"))
    assert str(scanned(place).plugins[0].manifest.requests[0].name) == "edited"


@pytest.mark.parametrize("below", ["", "src"])
def test_without_path_lines_the_source_directory_is_looked_in(place: Path, tmp_path: Path, below: str) -> None:
    source = tmp_path / "a b"
    (source / below / "d8_plug_e").mkdir(parents=True)
    (source / below / "d8_plug_e/d8.toml").write_text(manifest())
    editable(place, source, {})
    assert scanned(place).plugins[0].file == str(source / below / "d8_plug_e/d8.toml")


def test_metadata_may_hold_the_manifest(place: Path, tmp_path: Path) -> None:
    text = manifest("in-metadata")
    editable(place, tmp_path, {"d8_plug_e-1.0.dist-info/extra_metadata/d8.toml": text})
    assert str(scanned(place).plugins[0].manifest.requests[0].name) == "in-metadata"


def test_a_foreign_path_file_leads_nowhere(place: Path, tmp_path: Path) -> None:
    source = tmp_path / "foreign"
    (source / "d8_plug_e").mkdir(parents=True)
    (source / "d8_plug_e/d8.toml").write_text(manifest())
    editable(place, tmp_path / "nowhere", {})
    (place / "foreign.pth").write_text(f"{source}\n")
    assert "is nowhere in its work tree" in complaint(place)


@pytest.mark.parametrize("url", ["file://[bad", "file:///\\u0000", "http://x", "file://" + "a" * 5000])
def test_an_odd_origin_breaks_one_plugin_and_no_other(place: Path, url: str) -> None:
    info = "d8_plug_e-1.0.dist-info"
    origin = '{"dir_info": {"editable": true}, "url": "' + url + '"}'
    entry = "[d8_installer.manifests]\nplug = d8_plug_e:d8.toml\n"
    files = {f"{info}/entry_points.txt": entry.encode(), f"{info}/direct_url.json": origin.encode()}
    write_recorded(place, info, files)
    install(place, "healthy", "1", manifest())
    read = scanned(place)
    assert [plugin.name for plugin in read.plugins] == ["healthy"]
    assert [broken.distribution.name for broken in read.broken] == ["d8-plug-e"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_anothers_work_tree_is_not_believed(place: Path, tmp_path: Path) -> None:
    source = tmp_path / "theirs"
    (source / "d8_plug_e").mkdir(parents=True)
    (source / "d8_plug_e/d8.toml").write_text(manifest())
    editable(place, source, {})
    assert scanned(place).plugins
    os.chown(source / "d8_plug_e", 1234, 1234)
    assert "belongs to another user" in complaint(place)


# -- whose a .dist-info is -------------------------------------------------------------------------------------


def carry(place: Path, info: str, *files: str) -> None:
    """Add *files* to the RECORD of another distribution, ``aaa_evil``, as pip does with what its wheel carries."""
    record = place / "aaa_evil-1.0.dist-info/RECORD"
    if not record.exists():
        record.parent.mkdir()
        record.write_text("aaa_evil.py,,\n")
    lines = [f"{file.format(info=info)},sha256=x,1" for file in files]
    record.write_bytes(record.read_bytes() + "\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    "line",
    [
        "{info}/METADATA",
        '"{info}/METADATA"',
        "./{info}/METADATA",
        "x/../{info}/RECORD",
        "../site-packages/{info}/entry_points.txt",
        "../../../lib/{version}/site-packages/{info}/INSTALLER",
        "{place}/{info}/METADATA",
        "{info}\\METADATA",
        "{upper}/METADATA",
        "{info}//d",
        "\udcff/../{info}/METADATA",
    ],
)
def test_what_another_record_lists_is_not_the_distributions_own(place: Path, line: str) -> None:
    info = "d8_plug_tool-99.0.dist-info"
    if line.startswith("{upper}") and not os.path.exists(str(place).upper()):
        pytest.skip("upper case is another name here")
    install(place, "d8-plug-tool", "99.0", manifest())
    assert len(scanned(place).plugins) == 1
    (place / "x").mkdir()
    values = {"place": place, "version": place.parent.name, "upper": info.upper(), "info": info}
    carry(place, info, line.format(**values))
    said = complaint(place)
    assert f"{place.as_posix()}/aaa_evil-1.0.dist-info/RECORD" in said.replace(os.sep, "/")
    assert info in said
    assert scanned(place).broken[0].error.hint == (
        "uninstall aaa-evil, which claims the files of d8-plug-tool; then reinstall d8-plug-tool if you want it"
    )


def test_a_planted_one_leaves_the_true_one(place: Path) -> None:
    true = install(place, "d8-plug-tool", "1.0", manifest("true"))
    planted = install(place, "d8-plug-tool", "99.0", manifest("planted")).dist_info
    assert scanned(place).plugins == (), "one name twice says nothing of which is the true one"
    said = [str(broken.error) for broken in scanned(place).broken]
    assert all(str(true.dist_info) in one and str(planted) in one for one in said)
    carry(place, planted.name, "{info}/METADATA")
    write_recorded(place, true.dist_info.name, {"d8_plug_tool/d8.toml": manifest("true").encode()})
    read = scanned(place)
    assert [str(plugin.manifest.requests[0].name) for plugin in read.plugins] == ["true"]
    assert [broken.distribution.version for broken in read.broken] == ["99.0"]


@pytest.mark.parametrize("second", ["D8.Plug_Tool", "d8__plug--tool", "d8_plug_tool"])
def test_one_name_in_two_spellings_is_one_name(place: Path, second: str) -> None:
    install(place, "d8-plug-tool", "1.0", manifest())
    write_recorded(place, f"{second}-2.0.dist-info", {f"{second}-2.0.dist-info/METADATA": b"Name: d8-plug-tool\n"})
    assert "and so does" in complaint(place)


def test_a_leftover_without_metadata_is_no_second_one(place: Path) -> None:
    install(place, "d8-plug-tool", "1.0", manifest())
    (place / "d8_plug_tool-0.9.dist-info").mkdir()
    assert len(scanned(place).plugins) == 1


def test_metadata_that_names_another_is_refused(place: Path) -> None:
    installed = install(place, "d8-plug-tool", "1.0", manifest())
    (installed.dist_info / "METADATA").write_text("Metadata-Version: 2.1\nName: aaa\n\nName: d8-plug-tool\n")
    assert "says in METADATA that it is 'aaa'" in complaint(place)


@pytest.mark.parametrize("kind", ["pipe", "long"] if hasattr(os, "mkfifo") else ["long"])
def test_a_record_that_cannot_be_read_may_list_anything(place: Path, kind: str) -> None:
    install(place, "d8-plug-tool", "1.0", manifest())
    carry(place, "x")
    record = place / "aaa_evil-1.0.dist-info/RECORD"
    if kind == "pipe":
        record.unlink()
        os.mkfifo(record)
    else:
        os.truncate(record, (64 << 20) + 1)
    assert record.as_posix() in complaint(place).replace(os.sep, "/")


def test_the_first_library_on_sys_path_counts(tmp_path: Path) -> None:
    first, second = library(tmp_path / "a"), library(tmp_path / "b")
    install(first, "d8-plug-tool", "1.0", manifest("first"))
    install(second, "d8-plug-tool", "2.0", manifest("second"))
    for order in ((first, second), (second, first)):
        (found,) = scan([Environment(str(tmp_path), "venv", tuple(map(str, order)))]).plugins
        assert found.distribution.library == str(order[0])
    carry(second, "x", os.path.relpath(first / "d8_plug_tool-1.0.dist-info/METADATA", second))
    (found,) = scan([Environment(str(tmp_path), "venv", (str(first), str(second)))]).plugins
    assert found.distribution.library == str(second), "a RECORD in another library of the environment counts too"
