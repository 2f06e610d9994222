"""Promises over many random cases; `dev.py test --thorough` runs all of them."""
