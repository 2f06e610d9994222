"""Companion to pip and pipx: container images in, verified executables on PATH out."""

__version__ = "0.1.0"
