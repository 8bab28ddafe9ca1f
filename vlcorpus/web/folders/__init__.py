"""Folders of captioned images, of other tools' shards, and of vectors."""
