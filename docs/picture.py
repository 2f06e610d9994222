"""The README's picture of a terminal, drawn from what the demo printed; ``dev.py demo --picture FILE`` writes it."""

from __future__ import annotations

import io
import re

WIDTH = 100
FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="a terminal">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 18px; font-weight: bold }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""rich's own form without the fonts that it would load from elsewhere."""


def drawn(printed: str) -> str:
    """Return a terminal that shows *printed*, with its colours, as SVG; the same text gives the same bytes."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="standard")
    text = Text.from_ansi(printed.rstrip("\n"))
    text.highlight_regex(r"(?m)^\$", "bold green")
    text.highlight_regex(r"(?m)(?<=^\$ ).+$", "bold")
    console.print(text)
    svg = console.export_svg(title="d8-installer", code_format=FORMAT, unique_id="terminal")
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)
