"""Where Windows finds a program: on PATH with PATHEXT, and never in the working directory."""

from __future__ import annotations

import pytest

from d8_installer.errors import ConfigError
from d8_installer.model.secrets import text_of_token
from d8_installer.model.windows_program import batch_line, is_batch, program_paths

ENV = {"PATH": r'C:\one;"C:\two two\";;.;rel;\\server\share', "PATHEXT": ".EXE;.CMD"}


def found(command: str, env: dict[str, str] = ENV) -> list[str]:
    return list(program_paths(command, env))


def test_a_name_is_looked_for_on_path_with_each_extension() -> None:
    assert found("az") == [
        r"C:\one\az.EXE",
        r"C:\one\az.CMD",
        r"C:\two two\az.EXE",
        r"C:\two two\az.CMD",
        r"\\server\share\az.EXE",
        r"\\server\share\az.CMD",
    ]


@pytest.mark.parametrize("name", ["az.cmd", "az.CMD"])
def test_a_name_with_an_extension_is_tried_as_it_is_first(name: str) -> None:
    assert found(name)[:3] == [rf"C:\one\{name}", rf"C:\one\{name}.EXE", rf"C:\one\{name}.CMD"]


def test_a_semicolon_in_quotes_separates_nothing() -> None:
    assert found("x.exe", {"PATH": r'"C:\a;b";C:\c', "PATHEXT": ".EXE"})[::2] == [r"C:\a;b\x.exe", r"C:\c\x.exe"]


def test_another_end_is_no_extension() -> None:
    assert found("tool-1.2")[0] == r"C:\one\tool-1.2.EXE"


@pytest.mark.parametrize("command", [r"C:\x\login", "x/login", r"..\login"])
def test_a_path_is_not_looked_for_on_path(command: str) -> None:
    assert found(command) == [f"{command}.EXE", f"{command}.CMD"]


def test_without_pathext_the_usual_extensions_count() -> None:
    assert found("x", {"PATH": "C:\\"}) == ["C:\\x.COM", "C:\\x.EXE", "C:\\x.BAT", "C:\\x.CMD"]
    assert found("x", {}) == []


def test_a_batch_file_gets_every_word_in_quotes() -> None:
    assert is_batch(r"C:\a b\az.CMD") and not is_batch("az.exe")
    line = batch_line(r"C:\a b\az.cmd", ["x&y", "", "c d"], {"COMSPEC": r"C:\w\cmd.exe"})
    assert line == r'"C:\w\cmd.exe" /d /s /c ""C:\a b\az.cmd" "x&y" "" "c d""'


@pytest.mark.parametrize("word", ['a"b', "%PATH%", "a\nb"])
def test_what_no_quotes_keep_from_cmd_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="is a batch file, which cannot get"):
        batch_line("az.cmd", [word], {})


@pytest.mark.parametrize("raw", [b"abc\n", b" abc\r\n", b"\xef\xbb\xbfabc", "abc\r\n".encode("utf-16")])
def test_a_token_is_read_as_editors_of_windows_save_it(raw: bytes) -> None:
    assert text_of_token(raw) == "abc"
    assert text_of_token("\ufeffabc".encode("utf-16-be")) == "abc"
    assert text_of_token(b"\xff") == "\ufffd"
