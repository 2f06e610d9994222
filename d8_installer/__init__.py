"""Companion to pip and pipx: container images in, verified executables on PATH out."""

__version__ = "0.1.0"

INSTALL_SOURCE = f"./d8_installer-{__version__}-py3-none-any.whl"
"""What README, docs and hints give to pipx, uv and pip to install this tool: the wheel file of this version.

The name d8-installer is not registered on PyPI: a command that installs it by name runs what a stranger registers.
Once it is registered, the value is that name.
"""
