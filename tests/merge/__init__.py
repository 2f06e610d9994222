"""Tests of ``d8_installer/merge``."""
