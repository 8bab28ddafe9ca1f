"""What words are: their language, the terms in them."""
