"""A page passes only if its commands print what it shows, in one shell, in the page's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.typed_pages import Reader, check

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
```sh
mkdir work
cd work
```

Save this as `deep/greeting.txt`:
```text
hello $HOME
```
```console
$ cat deep/greeting.txt; pwd
hello $HOME
~/work
$ printf 'one\\ntwo\\nthree\\n'
one
…
$ cat <<END
> 13.4 MB from 127.0.0.1:4711 in 0.2 s
> END
1.1 MB from 127.0.0.1:9 in 3 s
$ echo 'error: no' >&2; (exit 65)
error: no
$ (exit 3)
$ echo $?
3
```
```sh
echo seen; echo not seen >&2
```
```text
seen
```
<!-- not typed: it would end the test -->
```sh
exit 9
```
"""


def typed(directory: Path, text: str) -> None:
    page = directory / "page.md"
    page.write_text(text)
    check(page, Reader(directory / "home"))


def test_a_page_that_is_true(tmp_path: Path) -> None:
    typed(tmp_path, GOOD)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("$ cat deep/greeting.txt; pwd\nhello", "$ cat deep/greeting.txt; pwd\nhello you"),
        ("error: no\n$ (exit 3)", "$ (exit 3)"),
        ("(exit 65)", "(exit 0)"),
        ("$ echo $?\n3\n", ""),
        ("one\n…\n", "two\n…\n"),
        ("```text\nseen", "```text\nnot seen"),
        ("<!-- not typed: it would end the test -->", ""),
    ],
)
def test_a_page_that_is_not(tmp_path: Path, shown: str, printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("D8_WRITE_PAGES", raising=False)
    assert shown in GOOD
    with pytest.raises(AssertionError):
        typed(tmp_path, GOOD.replace(shown, printed))


def test_what_is_printed_now_is_written_into_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D8_WRITE_PAGES", "1")
    typed(tmp_path, GOOD.replace("~/work", "~/elsewhere\nand more"))
    assert (tmp_path / "page.md").read_text() == GOOD
