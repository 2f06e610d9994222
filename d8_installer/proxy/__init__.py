"""The embedded registry-packages-proxy: the routes of rpp.md §2 over any Source.

Here lives the only asyncio of the project. What a path, a query or an error means is ``registry.rpp_wire``'s;
where images come from is the Source's.
"""
