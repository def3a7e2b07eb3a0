"""What is told as an item's reason is what brought it."""

from __future__ import annotations

import numpy as np

from contracts.settings import Candidates
from models.candidates import main_sources


def test_the_reason_is_the_source_that_ranked_best() -> None:
    """Third of one source and first of another: the other; of equal ranks the earlier; what did not propose is none."""
    ranks = np.array([[3, 1, 0], [2, 0, 2], [0, 0, 7], [0, 5, 4]], dtype=np.int16)
    assert main_sources(ranks).tolist() == [1, 0, 2, 2]


def test_what_fills_a_list_up_is_popular_whatever_sources_run() -> None:
    """Where the source `popular` is off, the fill has a code of its own behind the others, and takes nobody else's."""
    assert Candidates(sources=("own", "popular", "als")).reasons == ("own", "popular", "als")
    without = Candidates(sources=("own", "als"))
    assert without.reasons == ("own", "als", "popular")
    assert without.reasons.index("popular") == 2
