from __future__ import annotations

from contracts.settings import Evaluation, Settings
from jobs.evaluation.earlier_windows import for_choice


def test_an_earlier_window_is_measured_without_fits() -> None:
    """The references that segments are held against stay, whatever the night measures on the newest window."""
    wanted = for_choice(Settings(evaluation=Evaluation(k=7))).evaluation
    assert (wanted.references, wanted.k) == (("personal_then_popular", "popular"), 7)
