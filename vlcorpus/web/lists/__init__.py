"""URL lists: parquet, csv, tsv, txt, jsonl."""
