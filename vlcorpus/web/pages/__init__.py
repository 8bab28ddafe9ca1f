"""One HTML page: its pairs, its links, what it says of itself."""
