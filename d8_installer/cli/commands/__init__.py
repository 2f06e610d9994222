"""One command a file: ``configure(parser)`` says its arguments, ``execute(context)`` calls its verb."""
