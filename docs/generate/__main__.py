"""``python -m docs.generate --write`` writes every generated region; without ``--write``, it names the old ones."""

from __future__ import annotations

import sys

from docs.generate.regions import ROOT, changed_pages


def main(arguments: list[str]) -> int:
    """Write the pages, or end with 1 if one of them is not what the code says."""
    changed = changed_pages()
    for page, text in changed.items():
        if "--write" in arguments:
            (ROOT / page).write_text(text, encoding="utf-8")
        print(page)
    return 0 if "--write" in arguments or not changed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
