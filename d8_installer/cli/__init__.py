"""The command line: it parses, calls one verb, and renders the result. It decides nothing that a verb could decide."""
