"""The embedded registry-packages-proxy: the routes of rpp.md §2 over any Source.

This package is the only user of asyncio in the project. ``registry.rpp_wire`` and ``rpp_routes`` define what paths,
queries and errors mean; a Source brings the images.
"""
