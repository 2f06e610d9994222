"""Completion scripts for each shell, made from the parser, and the installed names that they ask for."""
