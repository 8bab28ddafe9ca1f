"""Stages: one verb a file. A stage is frozen settings and what it does to one unit of a corpus."""
