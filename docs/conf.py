"""How Sphinx builds the documentation site; ``python3 dev.py docs`` runs it, without network."""

from d8_installer import __version__

project = "d8-installer"
author = "d8-installer maintainers"
copyright = "d8-installer maintainers"
version = release = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["example-plugin/**", "build/**", "generate/**"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
nitpicky = True
smartquotes = False  # it turns the two dashes of an option into one

html_theme = "furo"
html_title = "d8-installer"
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "static/icon.svg"
html_theme_options = {"top_of_page_buttons": []}


def setup(app):
    """Mend what keyboards and screen readers meet in the pages that Sphinx writes."""
    app.connect("html-page-context", lambda *facts: accessible(facts[3]))


def accessible(context):
    """Let the keyboard scroll wide examples and tables, and give the captions of lists a level, as headings have."""
    body = context.get("body", "").replace("<pre>", '<pre tabindex="0">')
    body = body.replace('role="heading">', 'role="heading" aria-level="2">')
    context["body"] = body.replace('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper')
