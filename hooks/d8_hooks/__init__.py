"""First-party hooks: thin adapters that use only what a plugin author gets (plugin, model, registry, errors)."""
