"""Tests of ``d8_installer/ops/upkeep``."""
