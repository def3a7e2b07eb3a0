"""A shop small enough to write every number of its night report by hand: two placements, four nights, evil titles."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any, Final

from contracts import settings as contract
from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from export.blessing import Blessing, write_blessing
from export.durable import replace_bytes
from export.format.manifest import FILE_NAME, FORMAT_VERSION, FileEntry, Manifest, PlacementEntry
from export.stores import state
from export.stores.state import Event, Pointer
from jobs import lake
from jobs.evaluation import choosing
from jobs.evaluation.choosing import Choice, Choices

NIGHT: Final = dt.date(2011, 11, 11)
CUT: Final = dt.date(2011, 10, 14)
EARLIER: Final = {dt.date(2011, 11, 8): 0.30, dt.date(2011, 11, 9): 0.32, dt.date(2011, 11, 10): 0.31}
"""nDCG@10 of `home` on the nights before."""
SCRIPT: Final = '<script>alert("x")</script> & "tea"'
ARABIC: Final = "مصباح صغير"
OVERRIDE: Final = "\u202egnp.exe"
TITLES: Final = ["PLAIN LAMP", SCRIPT, ARABIC, OVERRIDE, "{{ 7 * 7 }}{% raw %}", ""]
USER: Final = "u<b>1</b>"


def write_root(root: Path, *, verdict: str = "blessed", is_served: bool = True) -> Settings:
    """Settings of a root whose tables, gates and store tell of NIGHT."""
    made = contract.load(None, {}, root=str(root))
    layout = Layout(root)
    for night, value in EARLIER.items():
        lake.replace_as_of(layout, tables.METRICS, [metric("home", "two_stage", "ndcg_10", value)], night)
    for table, rows in all_rows().items():
        lake.replace_as_of(layout, tables.by_name(table), rows, NIGHT)
    manifest = _manifest()
    folder = root / "staging" / NIGHT.isoformat()
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_bytes(manifest.encode())
    layout.blessings.mkdir()
    write_blessing(
        layout.blessings / f"{NIGHT}.json",
        Blessing(as_of=NIGHT, manifest_sha256=manifest.sha256, verdict=verdict, gates=gates(verdict)),  # type: ignore[arg-type]
    )
    choosing.write(layout, Choices(as_of=NIGHT, placements=(Choice(placement="home", system="two_stage"),
                                                            Choice(placement="discover", system="als"))))  # fmt: skip
    serve(layout, manifest.snapshot_id if is_served else "2011-11-10-aaaaaaaaaaaa")
    layout.artifact("traffic", NIGHT).mkdir(parents=True)
    path = layout.report(f"objectives-{NIGHT}.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(sweep()), encoding="utf-8")
    return made


def serve(layout: Layout, snapshot: str) -> None:
    """The store's pointer names this snapshot."""
    event = Event(sequence=1, kind="flip", at="2011-11-12T02:00:00+00:00", by="a", reason="night", snapshot=snapshot)
    layout.store.mkdir(exist_ok=True)
    replace_bytes(layout.store / "pointer.json", state.encode(Pointer(snapshot=snapshot, last=event)))


def metric(placement: str, system: str, name: str, value: float, **over: Any) -> dict[str, Any]:
    """A row of `metrics` without `as_of`; the interval is 0.01 to both sides."""
    row = {
        "cut": CUT, "protocol": "full_catalogue", "placement": placement, "system": system, "metric": name,
        "segment": None, "value": value, "low": value - 0.01, "high": value + 0.01, "n_users": 1205,
    }  # fmt: skip
    return {**row, **over}


def gates(verdict: str) -> list[dict[str, Any]]:
    """A green, a yellow, and where the night is held a red gate."""
    common = {"limit": None, "warns_at": None, "note": ""}
    found: list[dict[str, Any]] = [
        {**common, "name": "full_lists", "placement": "home", "value": 1.0, "limit": 0.99, "level": "green"},
        {**common, "name": "success_auc_full_catalogue", "placement": "home", "value": 0.911, "warns_at": 0.92,
         "level": "yellow", "note": "protocol: full catalogue"},
    ]  # fmt: skip
    if verdict == "held":
        found.append({**common, "name": "banned_items", "placement": "home", "value": 3.0, "limit": 0.0, "level": "red",
                      "note": "3 unknown"})  # fmt: skip
    return found


def all_rows() -> dict[str, list[dict[str, Any]]]:
    """Rows of every table that a page tells, without `as_of`."""
    return {
        "metrics": _metrics(), "thresholds": _thresholds(), "fairness": fairness(0.031, "yellow"),
        "reliability": _reliability(), "recall_ledger": _ledger(), "rule_effects": _rules(), "changes": _changes(),
        "outcome_rates": _rates(), "extreme_users": _extremes(), "flagged_users": _flagged(), "items": _items(),
    }  # fmt: skip


def _metrics() -> list[dict[str, Any]]:
    rows = []
    for placement, ours, theirs in (("home", 0.3425, 0.3131), ("discover", 0.1551, 0.0998)):
        rows += [
            metric(placement, "two_stage", "ndcg_10", ours),
            metric(placement, "two_stage", "ndcg_5", ours + 0.02),
            metric(placement, "two_stage", "auc", 0.911),
            metric(placement, "two_stage", "recall_10", 0.2),
            metric(placement, "two_stage", "coverage_10", 0.51, low=None, high=None),
            metric(placement, "two_stage", "calibration_error", 0.002, protocol="candidate_set", low=None, high=None),
            metric(placement, "two_stage", "ndcg_10", 0.4, protocol="candidate_set"),
            metric(placement, "popular", "ndcg_10", theirs),
            metric(placement, "two_stage_minus_popular", "ndcg_10", ours - theirs),
            metric(placement, "source_als", "ndcg_10", 0.2),
            metric(placement, "two_stage_minus_source_als", "ndcg_10", 0.004),
            metric(placement, "two_stage", "ndcg_10", ours * 1.2, segment="users:heavy", n_users=400),
            metric(placement, "two_stage", "ndcg_10", ours * 0.6, segment="users:new", n_users=85),
            metric(placement, "two_stage", "ndcg_10", ours, segment=f"segment:{SCRIPT}", n_users=90),
            metric(placement, "two_stage", "recall_10", 0.3, segment="items:head"),
            metric(placement, "two_stage", "recall_10", 0.08, segment="items:tail"),
        ]
    for system, ndcg, diversity in (("chosen_objectives", 0.3391, 0.62), ("engagement_alone", 0.3425, 0.52)):
        rows += [
            metric("home", system, "ordered_ndcg_10", ndcg, low=None, high=None),
            metric("home", system, "ordered_diversity_10", diversity, low=None, high=None),
            metric("home", system, "ordered_coverage_10", 0.5, low=None, high=None),
        ]
    cost = {"low": -0.005, "high": -0.002}
    rows.append(metric("home", "chosen_objectives_minus_engagement_alone", "ordered_ndcg_10", -0.0034, **cost))
    return rows


def _thresholds() -> list[dict[str, Any]]:
    common = {"cut": CUT, "low": 0.4, "high": 0.43, "n_users": 1205}
    rows = [("full_catalogue", "ndcg_5", 0.412, 0.65), ("full_catalogue", "auc", 0.911, 0.92),
            ("positives_99_uniform", "ndcg_5", 0.879, 0.65)]  # fmt: skip
    return [
        {**common, "placement": "home", "protocol": protocol, "metric": name, "value": value, "threshold": asked,
         "is_reached": value >= asked, "is_gated": protocol != "full_catalogue" or name == "auc"}
        for protocol, name, value, asked in rows
    ]  # fmt: skip


def fairness(gap: float | None, verdict: str) -> list[dict[str, Any]]:
    """Two groups, the gap between them, and the exposure of a brand."""
    common = {"cut": CUT, "placement": "home", "metric": "ndcg_10", "kind": "segment", "other": None, "verdict": None}
    ends = {"low": None, "high": None} if gap is None else {"low": gap - 0.02, "high": gap + 0.02}
    is_known = gap is not None
    groups = [
        {**common, "group": "non-UK", "value": 0.36, "low": 0.33, "high": 0.39, "n": 129},
        {**common, "group": "UK", "value": 0.33, "low": 0.31, "high": 0.35, "n": 1076},
    ]
    return [
        *(groups if is_known else []),
        {**common, "group": "non-UK" if is_known else "", "other": "UK" if is_known else None, "value": gap, **ends,
         "n": 129, "verdict": verdict},
        {**common, "metric": "exposure_ratio_10", "kind": "brand", "group": SCRIPT, "value": 1.39, "low": None,
         "high": None, "n": 2046},
    ]  # fmt: skip


def _reliability() -> list[dict[str, Any]]:
    rows = [(0, 0.001, 0.002), (1, 0.02, 0.018), (2, 0.115, 0.134)]
    return [
        {"cut": CUT, "placement": "home", "bin": at, "n_pairs": 100, "n_users": 1012, "mean_score": float(at),
         "uncalibrated": 0.2 + at / 10, "predicted": foreseen, "observed": came}
        for at, foreseen, came in rows
    ]  # fmt: skip


def _ledger() -> list[dict[str, Any]]:
    def row(system: str, places: int, found: int, alone: int = 0, seconds: float | None = None) -> dict[str, Any]:
        return {"cut": CUT, "placement": "home", "targets": "all", "segment": None, "system": system, "places": places,
                "n_users": 1205, "n_targets": 1000, "n_found": found, "n_alone": alone, "n_reachable": 700,
                "n_proposed": 60250, "recall": found / 1000, "cpu_seconds": seconds}  # fmt: skip

    return [row("source_own", 0, 402, 300, 1.5), row("source_als", 0, 150, 20, 0.5), row("candidates", 0, 700, 0, 2.0),
            row("two_stage", 10, 250), row("two_stage", 50, 410)]  # fmt: skip


def _rules() -> list[dict[str, Any]]:
    return [{"placement": "home", "rule": "<i>pin</i> lamps", "kind": "pin", "items": 2, "lists": 5806, "removed": 1,
             "added": 2, "moved": 5800, "places_up": 12345}]  # fmt: skip


def _changes() -> list[dict[str, Any]]:
    common = {"channel": "stable", "before": "2011-11-10-aaaaaaaaaaaa", "after": _manifest().snapshot_id}
    rows = [("", "placements_gone", 0.0), ("home", "users_both", 5800.0), ("home", "top5_changed", 0.125),
            ("home", "overlap_median", 0.86), ("home", "overlap_p10", None)]  # fmt: skip
    return [{**common, "placement": placement, "metric": name, "value": value} for placement, name, value in rows]


def _rates() -> list[dict[str, Any]]:
    common = {"first_day": dt.date(2011, 10, 15), "placement": "home", "channel": "all", "position": 0, "metric": "ctr"}
    return [
        {**common, "source": "explored", "value": 0.0321, "low": 0.0256, "high": 0.0403, "n_slots": 2240,
         "n_users": 598, "note": ""},
        {**common, "source": "snips", "value": None, "low": None, "high": None, "n_slots": 41, "n_users": 12,
         "note": "refused: overlap 0.009 is below 0.1"},
    ]  # fmt: skip


def _extremes() -> list[dict[str, Any]]:
    common = {"cut": CUT, "placement": "home", "metric": "ndcg_10"}
    return [
        {**common, "side": "best", "place": 1, "user_idx": 0, "user_id": USER, "value": 0.9876, "n_baskets": 31,
         "n_taken": 60, "listed": [1, 0, 2], "taken": [1, 2, 3, *range(100, 147)]},
        {**common, "side": "worst", "place": 1, "user_idx": 1, "user_id": "\u202eu2", "value": 0.0, "n_baskets": 1,
         "n_taken": 2, "listed": [3, 4], "taken": [0, 5]},
    ]  # fmt: skip


def _flagged() -> list[dict[str, Any]]:
    common = {"n_events": 62000, "peak_day": CUT, "events_per_day": 2000, "items_per_day": 279, "events_per_hour": None,
              "n_items": 291, "catalogue_share": 0.97, "events_limit": 500.0}  # fmt: skip
    return [
        {**common, "user_idx": 7, "user_id": "u7", "limits": ["max_events_per_day", "max_catalogue_share"]},
        {**common, "user_idx": 8, "user_id": "u8", "limits": ["max_events_per_day"]},
    ]


def _items() -> list[dict[str, Any]]:
    return [
        {"item_idx": at, "item_id": f"i{at}", "title": title or None, "category": None, "department": None,
         "brand": None, "price": None, "margin": None, "image_url": None, "first_seen": None, "is_available": True,
         "is_recommendable": True}
        for at, title in enumerate(TITLES)
    ]  # fmt: skip


def sweep() -> dict[str, Any]:
    """What `larder objectives` writes: chosen weights, engagement alone, and one more point."""
    points = [
        {"role": "chosen", "weights": {"engagement": 0.6, "diversity": 0.25, "margin": 0.15}, "ndcg": 0.338,
         "diversity": 0.61, "coverage": 0.52, "margin": 0.31, "n_users": 1205,
         "ndcg_minus_engagement": {"value": -0.0045, "low": -0.006, "high": -0.003}},
        {"role": "engagement alone", "weights": {"engagement": 1.0}, "ndcg": 0.3425, "diversity": 0.52,
         "coverage": 0.5, "margin": 0.3, "n_users": 1205},
        {"role": "grid", "weights": {"engagement": 0.9, "diversity": 0.1}, "ndcg": 0.341, "diversity": 0.55,
         "coverage": 0.51, "margin": 0.3, "n_users": 1205, "is_unbeaten": True},
    ]  # fmt: skip
    return {"as_of": NIGHT.isoformat(), "cut": CUT.isoformat(), "k": 10, "placements": {"home": points}}


def _manifest() -> Manifest:
    entries = {"home": PlacementEntry(lists=5000, length=50, shortest=50),
               "discover": PlacementEntry(lists=5600, length=50, shortest=40, system="als")}  # fmt: skip
    return Manifest(
        format_version=FORMAT_VERSION, as_of=NIGHT, shards=1, item_bits=12, source_bits=4, n_eligible_users=6000,
        n_users=5800, n_items=3000, n_item_indices=3000, reasons=("own", "als"), segments=("all",), placements=entries,
        files={"shard-00000.bin": FileEntry(bytes=2_500_000, sha256="0" * 64, records=5800)},
    ).sealed()  # fmt: skip
