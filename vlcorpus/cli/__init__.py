"""The command line: options derived from stage settings, and the only room that prints."""
