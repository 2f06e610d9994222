"""Publishing for plugin authors: images built from executables and pushed to a registry, and wheels of plugins."""
