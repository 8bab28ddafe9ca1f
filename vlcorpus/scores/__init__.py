"""Scores and decisions: the similarity of an image and its caption, thresholds, who is kept, who is not and why."""
