"""Where the files of a crawl are: globs, lists, stores, Common Crawl by name."""
