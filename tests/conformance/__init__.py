"""Conformance: facts about the proxy and the Go CLI, run against our own public functions.

``python -m tests.conformance FILE.json`` runs a file of cases ``{id, group, input, expected, note?}``.
``group.py`` says what a group is, ``groups_*.py`` hold them, ``runner.py`` loads, compares and prints.
"""
