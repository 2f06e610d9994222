"""Tests of d8_installer.model."""
