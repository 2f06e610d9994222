"""Writes the generated regions of the pages in ``docs/`` from the code that they describe.

Each file here turns one part of the code into Markdown. Text for people stands in the code (help, docstrings). Only
what links to other pages is in ``commands.toml``.
"""
