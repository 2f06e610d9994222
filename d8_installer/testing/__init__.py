"""What our tests and plugin authors test with: sources in memory, servers that misbehave, contract suites.

Nothing in the product imports this package.
"""
