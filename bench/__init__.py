"""The bench: how fast and how small the installed tool is, as ratios against others on the same machine.

Run by ``python3 dev.py bench``. Standard library and the project only; nothing here asserts, and no test times.
"""
