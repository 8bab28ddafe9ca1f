"""A corpus in the browser: one page, its questions and answers over HTTP, from this machine, to this machine."""
