"""The bench: speed and memory of the installed tool, as ratios against other tools in the same run.

Run it with ``python3 dev.py bench``; README.md has the method. It needs only the standard library and this project.
"""
