from __future__ import annotations

from typing import Any

import pytest

from contracts.errors import SettingsError
from contracts.settings import Changes, load
from jobs.evaluation.change_gates import change_gates, level_of
from jobs.evaluation.gates import Gate, as_text, counts, numbers, of_level

USUAL = {
    "users_both": 100.0, "top5_changed": 0.5, "overlap_median": 0.8, "overlap_p10": 0.4, "fallback_growth": 0.0,
    "users_gone": 0.0, "items_moved": 0.1, "price_change": None,
}  # fmt: skip
LIMITS = Changes(
    max_top5_changed=(0.6, 0.9),
    min_overlap_median=(0.5, 0.3),
    min_overlap_p10=(0.2, 0.1),
    max_fallback_growth=(0.02, 0.1),
    max_users_gone=(0.02, 0.1),
    max_items_moved=(0.3, 0.6),
)


def rows(placement: str, values: dict[str, float | None], *, channel: str = "stable", before: str = "old") -> list[Any]:
    """Rows of the table `changes`."""
    about = {"channel": channel, "placement": placement, "before": before, "after": "new"}
    return [{**about, "metric": name, "value": value} for name, value in values.items()]


def gates(found: list[Any], limits: Changes = LIMITS) -> list[Gate]:
    """The verdicts on one placement."""
    return list(change_gates(found, ["home"], limits))


def levels(**values: float | None) -> dict[str, str]:
    """The verdict by name of a usual night with some numbers changed."""
    return {gate.name: gate.level for gate in gates(rows("home", {**USUAL, **values}))}


def test_a_usual_night_is_green() -> None:
    """Each of the six limits has a gate, and none of them warns."""
    assert levels() == dict.fromkeys(
        ("top5_changed", "overlap_median", "overlap_p10", "fallback_growth", "users_gone", "items_moved"), "green"
    )


@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("top5_changed", 0.6, "green"), ("top5_changed", 0.61, "yellow"), ("top5_changed", 0.9, "yellow"),
        ("top5_changed", 0.91, "red"), ("overlap_median", 0.5, "green"), ("overlap_median", 0.49, "yellow"),
        ("overlap_median", 0.3, "yellow"), ("overlap_median", 0.29, "red"), ("overlap_p10", 0.0, "red"),
        ("fallback_growth", -0.5, "green"), ("fallback_growth", 0.03, "yellow"), ("users_gone", 0.2, "red"),
        ("items_moved", 0.7, "red"), ("overlap_median", None, "red"),
    ],
)  # fmt: skip
def test_the_ladder(name: str, value: float | None, level: str) -> None:
    """A limit itself still passes; beyond the first is yellow, beyond the second red, and not measured is red."""
    found = levels(**{name: value})
    assert found.pop(name) == level
    assert set(found.values()) == {"green"}


def test_a_first_night_is_labelled() -> None:
    """Nothing is served: one green gate that says so."""
    (gate,) = gates(rows("", {"placements_gone": 0.0}, before="") + rows("home", {"users_both": None}, before=""))
    assert (gate.name, gate.level, gate.value) == ("changes", "green", None)
    assert gate.note == "the first night: nothing is served yet"


def test_a_new_placement_is_labelled_and_a_gone_one_warns() -> None:
    """What the served snapshot has not is green and named so; what the night has not is yellow."""
    made = gates(rows("", {"placements_gone": 1.0}) + rows("home", {"users_both": None}))
    assert [(gate.name, gate.level) for gate in made] == [("changes", "green"), ("placements_gone", "yellow")]
    assert made[0].note == "a new placement: old has none of this name"


def test_no_user_in_both_is_red() -> None:
    """A placement that both have, and no user who has a list in both: nothing can be said for the night."""
    made = gates(rows("home", {**dict.fromkeys(USUAL, None), "users_both": 0.0, "users_gone": 1.0}))
    assert {gate.level for gate in made} == {"red"}


def test_a_limit_that_nothing_can_break_is_off() -> None:
    """With 1 as the red limit of a maximum, or 0 of a minimum, not even what was not measured holds the night."""
    assert level_of(None, yellow=1.0, red=1.0, is_floor=False) == "green"
    assert level_of(None, yellow=0.0, red=0.0, is_floor=True) == "green"
    assert level_of(None, yellow=0.5, red=0.0, is_floor=False) == "red"


def test_lists_of_another_system_are_yellow_at_most() -> None:
    """A source's lists in place of the two-stage ones are other lists for everybody; users who are lost stay red."""
    far = {"top5_changed": 1.0, "overlap_median": 0.0, "overlap_p10": 0.0, "items_moved": 0.9, "users_gone": 0.5}
    found = levels(**far, system_changed=1.0)
    assert found == {**dict.fromkeys(far, "yellow"), "users_gone": "red", "fallback_growth": "green"}
    assert set(levels(**far, system_changed=0.0).values()) == {"red", "green"}


def test_a_shadow_is_not_judged() -> None:
    """However far the shadow lies from what is served, no gate looks at it."""
    far = rows("home", {**USUAL, "overlap_median": 0.0, "top5_changed": 1.0}, channel="shadow")
    assert {gate.level for gate in gates(rows("home", USUAL) + far)} == {"green"}


def test_gates_are_counted_told_and_shown() -> None:
    """Counts by verdict, values by placement and name, one line a gate with both limits; a sentence for a person."""
    made = gates(rows("home", {**USUAL, "top5_changed": 0.7, "overlap_median": 0.1}))
    assert counts(made) == {"gates_green": 4, "gates_yellow": 1, "gates_red": 1}
    assert numbers(made)["home_overlap_median"] == 0.1
    (yellow,), (red,) = of_level(made, "yellow"), of_level(made, "red")
    assert str(yellow) == "top5_changed of home is 0.7, warned of beyond 0.6 (against old)"
    assert str(red) == "overlap_median of home is 0.1, the limit is 0.3 (against old)"
    lines = {line.split()[0]: line.split()[1:] for line in as_text(made).splitlines() if line.split()}
    assert lines["top5_changed"] == ["home", "0.7", "0.6", "0.9", "YELLOW"]
    assert lines["items_moved"] == ["home", "0.1", "0.3", "0.6", "green"]


@pytest.mark.parametrize("text", ["[0.9, 0.6]", "[0.5]", "[0.5, 1.5]"])
def test_limits_in_the_wrong_order_are_refused(text: str) -> None:
    """Yellow comes before red, there are two of them, and they are shares."""
    with pytest.raises(SettingsError):
        load(None, {"LARDER_GATES__CHANGES__MAX_TOP5_CHANGED": text})
