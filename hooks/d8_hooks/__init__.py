"""First-party hooks: thin adapters that get what any plugin author gets (plugin, model, registry, errors)."""
