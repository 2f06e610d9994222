"""What plugin authors import: ``types`` (the records that hooks return) and ``hookspec`` (the hooks, ``hookimpl``).

``manager`` is the house's side. This package knows ``model`` and ``errors`` and nothing else of the house.
"""
