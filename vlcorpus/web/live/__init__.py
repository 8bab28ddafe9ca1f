"""A live crawl: what is asked for next, asking for it, and what came."""
