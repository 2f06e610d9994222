"""Tests of ``d8_installer.proxy``."""
