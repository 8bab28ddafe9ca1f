from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpora import Built, copy, small


@pytest.fixture(scope="session")
def small_corpus() -> Built:
    """Every layer, made by the real stages; shared, so look and do not touch."""
    return small()


@pytest.fixture
def own_corpus(small_corpus: Built, tmp_path: Path) -> Built:
    """A copy to be damaged."""
    return copy(small_corpus, tmp_path)
