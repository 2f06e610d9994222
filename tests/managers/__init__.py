"""The manager matrix: real pip, pipx, uv, PDM, Poetry and Hatch against a loopback index and the embedded proxy."""
