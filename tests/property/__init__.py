"""Promises over many drawn cases, by the installed command; each prints its figure."""
