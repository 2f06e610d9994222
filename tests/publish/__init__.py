"""Tests of d8_installer.publish."""
