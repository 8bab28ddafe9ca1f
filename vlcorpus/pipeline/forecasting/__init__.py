"""What a recipe takes of a sample of a corpus, and of any number of candidates."""
