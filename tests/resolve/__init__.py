"""Tests of ``d8_installer/resolve``."""
