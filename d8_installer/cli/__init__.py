"""The command line: parse, call one verb, render its result. Decides nothing that a verb could decide."""
