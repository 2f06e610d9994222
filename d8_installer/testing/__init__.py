"""The test kit for our own tests and for authors of plugins: sources, servers with faults, and contract suites.

- ``contract``, ``hooks``: suites that a new Source, Verifier, Check, Credential or EventReporter inherits
- ``memory``: a Source and Destination in memory, and builders of small images
- ``faults``, with ``rpp_answers``, ``oci_answers`` and ``replies``: a server on loopback that answers wrongly on demand
- ``hosted_registry``, ``docker_registry``: a registry with the habits of hosted ones, and a real one
- ``go_dialect``: what exists only to compare this project with Deckhouse's Go programs

No module of the product imports this package.
"""
