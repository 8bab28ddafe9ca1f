"""What comes in: pages into pairs and links, WARC files, live crawls, URL lists and captioned folders."""
