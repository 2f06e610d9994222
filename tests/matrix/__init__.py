"""The bad-input matrix: every bad thing that can reach the installed command, and what must come of it."""
