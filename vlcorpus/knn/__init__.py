"""Neighbours: exact nearest rows of embeddings, near hashes, the groups they form, and faiss files for other people's
tools."""
