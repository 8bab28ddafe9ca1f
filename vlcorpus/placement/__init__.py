"""Where rows go: their identities in bulk, which of them repeat, and how they are ordered and cut into slices."""
