"""Everything that speaks to registries: the RPP protocol, the OCI distribution protocol and OCI layouts.

Here live protocols and their clients. What to fetch, where to put it and whether to trust it is decided elsewhere.
"""
