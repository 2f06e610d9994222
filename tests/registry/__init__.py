"""Tests of d8_installer.registry."""
