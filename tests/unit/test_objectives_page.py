from __future__ import annotations

from typing import Any

from jobs.evaluation.objectives_page import page


def point(role: str, ndcg: float, varied: float, **weights: float) -> dict[str, Any]:
    """What one set of weights makes."""
    return {
        "role": role, "weights": weights, "ndcg": ndcg, "diversity": varied, "margin": None, "coverage": 0.2,
        "is_unbeaten": True, "n_users": 1200,
    }  # fmt: skip


def test_the_page_says_what_the_chosen_weights_cost() -> None:
    """The same bytes every time, nothing from elsewhere, the cost with its interval, and every name escaped."""
    chosen = point("chosen", 0.30, 0.8, engagement=0.7, diversity=0.3)
    chosen["ndcg_minus_engagement"] = {"value": -0.01, "low": -0.0123, "high": -0.0077}
    points = [chosen, point("engagement alone", 0.31, 0.7, engagement=1.0), point("grid", 0.28, 0.9, diversity=1.0)]
    facts = {"as_of": "2024-05-03", "cut": "2024-04-05", "k": 10}
    made = page("A & B", facts, {"home <1>": points})
    assert made == page("A & B", facts, {"home <1>": points})
    assert "change NDCG by -0.0100 [-0.0123, -0.0077]" in made
    assert "<h2>home &lt;1&gt;</h2>" in made
    assert "Objectives of A &amp; B" in made
    assert made.count("<svg") == 1
    assert "src=" not in made
