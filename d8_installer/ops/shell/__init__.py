"""The verbs that put binaries on PATH: lines for each shell, and the start-up files that contain them."""
