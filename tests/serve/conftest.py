from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corpora import Built, small
from tests.serve.live import Live


@pytest.fixture(scope="session")
def small_corpus() -> Built:
    """Every layer, made by the real stages; shared, so look and do not touch."""
    return small()


@pytest.fixture(scope="session")
def server(small_corpus: Built) -> Iterator[Live]:
    """That corpus, served; it answers searches by text too. `url`, `corpus` (path), `ask`, `get`, `post`."""
    with Live(small_corpus.corpus.path) as live:
        yield live
