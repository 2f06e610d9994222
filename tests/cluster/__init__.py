"""The tool in a cluster: a real control plane on loopback, and what a Deckhouse cluster has (see README.md)."""
