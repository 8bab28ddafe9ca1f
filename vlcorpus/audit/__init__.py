"""Looking at a sample: which pairs to show, the page that shows them, and what their labels say of all pairs.

Arrays, texts and paths in and out; nothing here knows a corpus.
"""
