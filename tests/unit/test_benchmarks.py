from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks import results, synthetic
from models.user_block import read_block


def made(samples: dict[str, list[float]], ratio_is: results.Better, goal: float) -> results.Result:
    """A result of hand-made seconds."""
    return results.result(
        "rank", samples, peer_name="a peer", ratio_is=ratio_is, goal=goal, about="2 users", versions={"numpy": "2"}
    )


def test_ratio_is_of_medians() -> None:
    """One slow run does not move the ratio: medians 2 and 60 give 30, which meets the goal of 30."""
    one = made({"ours": [9.0, 2.0, 1.0], "peer": [60.0, 50.0, 900.0]}, "peer / ours", 30.0)
    assert (one.ours, one.peer, one.ratio, one.is_met) == (2.0, 60.0, 30.0, True)


def test_ratio_below_a_goal_is_not_met() -> None:
    """A ratio that must be at least 30 and is 29 is not met."""
    assert not made({"ours": [1.0], "peer": [29.0]}, "peer / ours", 30.0).is_met


@pytest.mark.parametrize(("ours", "is_met"), [(1.0, True), (1.1, False)])
def test_share_above_a_goal_is_not_met(ours: float, is_met: bool) -> None:  # noqa: FBT001
    """A share of 0.25 keeps to at most 0.25, one of 0.275 does not."""
    assert made({"ours": [ours], "peer": [4.0]}, "ours / peer", 0.25).is_met is is_met


def test_sides_take_turns() -> None:
    """Both sides are measured in turns, the peer only as often as asked."""
    calls: list[str] = []
    samples = results.interleave(lambda: calls.append("ours"), lambda: calls.append("peer"), repeats=3, peer_repeats=2)
    assert calls == ["ours", "peer", "ours", "peer", "ours"]
    assert [len(samples["ours"]), len(samples["peer"])] == [3, 2]


def test_missed_goal_is_shown() -> None:
    """The table says `no` beside a ratio that misses its goal."""
    out = io.StringIO()
    results.show([made({"ours": [1.0], "peer": [29.0]}, "peer / ours", 30.0)], Console(file=out, width=120))
    assert out.getvalue().splitlines()[1].split() == ["rank", "1.000", "29.000", "29.00", ">=", "30", "no", "a", "peer"]


def test_synthetic_users_are_whole() -> None:
    """The batches hold every pair of the matrix once, as something the user bought."""
    users, items = synthetic.events(7, 5, 60, seed=3)
    matrix = synthetic.confidence(users, items, 7, 5)
    blocks = [read_block(batch, 5) for batch in synthetic.user_batches(matrix, 3, 4)]
    assert [block.n_users for block in blocks] == [4, 3]
    held = np.vstack([block.matrix(block.bought, block.bought.quantities).toarray() for block in blocks])
    np.testing.assert_array_equal(held, matrix.toarray())
    assert matrix.sum() == 60


def test_quick_stage_writes_its_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--quick --stage rank` measures that stage alone and writes it with raw seconds and versions."""
    out = tmp_path / "deep" / "bench.json"
    assert command.main(["--quick", "--stage", "rank", "--out", str(out)]) == 0
    (one,) = msgspec.json.decode(out.read_bytes())
    assert (one["stage"], one["goal"], one["ratio_is"]) == ("rank", 5.0, "peer / ours")
    assert 0 < one["ratio"] == pytest.approx(one["peer"] / one["ours"])
    assert [len(one["samples"]["ours"]), len(one["samples"]["peer"])] == [1, 1]
    assert {"lightgbm", "numpy", "python", "cores"} <= one["versions"].keys()
    assert "the ratios mean nothing" in capsys.readouterr().out


def test_a_payload_keeps_to_its_limits(tmp_path: Path) -> None:
    """50 items of 1,000,000 take 241.018 bytes with id and index: of 225 needed, and of one JSON object an item."""
    stages = ("payload_bytes", "payload_bytes_json")
    arguments = [part for stage in stages for part in ("--stage", stage)]
    assert command.main(["--quick", *arguments, "--out", str(tmp_path / "bench.json")]) == 0
    made = msgspec.json.decode((tmp_path / "bench.json").read_bytes())
    assert [(one["stage"], one["ours"], one["goal"], one["is_met"]) for one in made] == [
        ("payload_bytes", 241.018, 1.15, True),
        ("payload_bytes_json", 241.018, 0.6, True),
    ]
    assert made[0]["peer"] == 225.0
