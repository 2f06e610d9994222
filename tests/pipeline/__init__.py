"""Tests of ``d8_installer.pipeline`` by its parts. The whole road is tested in ``cli``, ``crash`` and ``matrix``."""
