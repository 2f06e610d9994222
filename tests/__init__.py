"""The tests: they mirror the tree of d8_installer, one directory each."""
