"""One command a file: ``configure(parser)`` adds its own arguments, ``execute(context)`` calls its verb."""
