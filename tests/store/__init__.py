"""Tests of ``d8_installer.store``, on the real file system."""
