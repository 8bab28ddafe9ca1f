"""Files: the only room that commits bytes to disk."""
