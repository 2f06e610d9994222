"""Results as lines for people, one module for each family of results. Nothing else decides what a line says."""
