"""Commands that make what ships: example, tables, claims, fingerprints. Nothing imports from here but their doors."""
