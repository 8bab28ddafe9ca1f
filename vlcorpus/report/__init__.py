"""Reports: plain dataclasses in, one self-contained HTML page out."""
