"""The verbs, one a file: each takes a Session and returns a frozen result. Nothing here prints or parses options."""
