"""WARC and WAT files: read record by record whatever is damaged, and written."""
