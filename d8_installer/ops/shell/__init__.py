"""The verbs that put binaries on PATH: lines for shells, their start-up files, and the registry of Windows."""
