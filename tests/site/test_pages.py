"""Every page of the site in headless Chromium: wide and narrow, light and dark.

Only ``.ci/run`` runs this, with D8_BROWSER=1: it takes a minute or two.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import struct
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.site import axe, chromium
from tests.site.screenshots import IMAGES, PICTURES, Picture, build

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("site")
WIDTHS = (1280, 390)
THEMES = ("light", "dark")
CONTRAST = {"type": "rule", "values": ["color-contrast"]}
EVERYTHING = {"type": "tag", "values": ["wcag2a", "wcag2aa"]}
JUDGE = """axe.run({runOnly: %s, resultTypes: ['violations'], preload: false}).then(result => result.violations.map(
    each => each.id + ': ' + each.nodes.map(node => node.html.slice(0, 120)).slice(0, 3).join(' | ')))"""
TOO_WIDE = """[document.scrollingElement, ...document.querySelectorAll('.content')].filter(
    each => each.scrollWidth > each.clientWidth + 1).map(each => each.tagName + '.' + each.className + ' ' +
    each.scrollWidth + ' ' + each.innerText.slice(0, 60))"""
"""What scrolls to the side: the page or its text. Only an example or a table may do so, each alone."""


class Site(NamedTuple):
    """The built site: its pages, as paths, and the address that serves them."""

    pages: list[str]
    address: str
    rules: str


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that writes no log."""

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site as `dev.py docs` builds it, on loopback; elsewhere than in `.ci/run`, a test skips here."""
    if not os.environ.get("D8_BROWSER"):
        pytest.skip("a minute of Chromium: only .ci/run does it, or D8_BROWSER=1")
    try:
        rules = axe.script()
        if chromium.program() is None:
            raise axe.AxeMissingError("chromium is not on PATH; on Debian: apt-get install chromium")
    except axe.AxeMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    built = tmp_path_factory.mktemp("site")
    html = build(built)
    pages = [page.relative_to(html).as_posix() for page in sorted(html.rglob("*.html"))]
    handler = functools.partial(Quiet, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Site([page for page in pages if "_static" not in page], f"http://127.0.0.1:{server.server_port}", rules)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def tab(site: Site) -> Iterator[chromium.Tab]:  # the site comes first: it says why there is no browser
    with chromium.browser() as opened:
        yield opened


def faults_of(tab: chromium.Tab, page: str, site: Site) -> Iterator[str]:
    """Yield what is wrong with a page, in every form of it."""
    tab.show(WIDTHS[0], THEMES[0])
    tab.open(f"{site.address}/{page}")
    tab.evaluate(f"{site.rules};0")
    for theme in THEMES:
        for width in WIDTHS:
            tab.show(width, theme)
            yield from (f"{page} at {width}: scrolls to the side: {box}" for box in tab.evaluate(TOO_WIDE))
            rules = EVERYTHING if (width, theme) == (WIDTHS[0], THEMES[0]) else CONTRAST
            for fault in tab.evaluate(JUDGE % json.dumps(rules)):
                yield f"{page} at {width}, {theme}: {fault}"
    yield from (f"{page}: console: {problem}" for problem in tab.problems)


def test_every_page_reads_well_in_a_browser(site: Site, tab: chromium.Tab) -> None:
    assert len(site.pages) > 40
    faults = [fault for page in site.pages for fault in faults_of(tab, page, site)]
    assert not faults, "\n".join(faults)


def test_the_browser_sees_planted_faults(site: Site, tab: chromium.Tab) -> None:
    page = "index.html"
    tab.show(390, "light")
    tab.open(f"{site.address}/{page}")
    tab.evaluate("console.error('planted')")
    tab.evaluate(f"{site.rules};0")
    plant = "document.querySelector('article').innerHTML += '<p style=\"color: #ccc; width: 900px\">pale</p>'"
    tab.evaluate(f"{plant};0")
    assert tab.evaluate(TOO_WIDE)
    assert any("color-contrast" in fault for fault in tab.evaluate(JUDGE % json.dumps(CONTRAST)))
    assert tab.problems == ["planted"]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_the_kept_pictures_show_pages_that_there_are(picture: Picture) -> None:
    assert (IMAGES.parent / picture.page).with_suffix(".md").exists()
    width, height = struct.unpack(">II", (IMAGES / picture.name).read_bytes()[16:24])
    assert (width, height) == (picture.width, 900)
