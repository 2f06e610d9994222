"""Tests of d8_installer.plugin."""
