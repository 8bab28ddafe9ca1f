"""`python -m vlcorpus`, the same as `vlcorpus`."""

from __future__ import annotations

from vlcorpus.cli.main import main

if __name__ == "__main__":
    main()
