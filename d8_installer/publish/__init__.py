"""What plugin authors publish with: images built from executables (``image``), written to a registry (``push``)."""
