"""Tests of ``d8_installer/plan``."""
