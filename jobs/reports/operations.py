"""Sections on what a flip changes, what the night costs, and what it was made of."""

from __future__ import annotations

from typing import Any, Final

from contracts import tables
from contracts.layout import Layout
from export import cost_shapes, costs
from jobs.evaluation.change_gates import CHANNEL, LIMITS, level_of
from jobs.publishing.stage_snapshot import staged
from jobs.reports.blocks import Cell, Section, Table, Text
from jobs.reports.facts import Night
from jobs.reports.verdict import TONES
from models.measures import UNION, Row

WORDS: Final = {
    "users_both": "users with a list in both",
    "top5_changed": "share of users whose first five items change",
    "top5_reordered": "share of users whose first five items only change places",
    "overlap_mean": "mean share of a list that stays",
    "overlap_median": "median share of a list that stays",
    "overlap_p10": "share of a list that stays, worst tenth of the users",
    "users_gone": "share of users who lose their own list",
    "fallback_before": "share of users on fallback lists before",
    "fallback_after": "share of users on fallback lists after",
    "fallback_growth": "growth of that share",
    "items_moved": "share of the places that go to other items",
    "categories_moved": "share of the places that go to other categories",
    "price_change": "change of the mean price shown",
    "placements_gone": "placements that are gone",
    "system_changed": "lists are of another system than those served (1: yes)",
}
COUNTS: Final = {"users_both", "placements_gone", "system_changed"}


def changes(night: Night) -> Section:
    """What changes for the users against what is served."""
    lead = "The lists of the night beside those that were served before it."
    rows = night.of(tables.CHANGES)
    if not rows:
        return Section("changes", "What a flip changes", lead, absent="Nothing was compared on this night.")
    compared = dict.fromkeys((row["channel"], row["before"], row["after"]) for row in rows)
    if all(not before for _, before, _ in compared):
        return Section(
            "changes", "What a flip changes", lead, absent="This is the first night: nothing was served before."
        )
    texts = [Text(f"{channel}: {before or 'nothing'} to {after}.") for channel, before, after in compared]
    cells = [
        (
            Cell(WORDS.get(row["metric"], row["metric"].replace("_", " "))), Cell(row["placement"] or "all"),
            Cell(row["channel"]), *_numbers(night, row),
        )
        for row in rows
    ]  # fmt: skip
    header = ("what", "placement", "channel", "value", "yellow beyond", "red beyond")
    return Section("changes", "What a flip changes", lead, [*texts, Table("Numbers of the diff", header, cells)])


def _numbers(night: Night, row: Row) -> tuple[Cell, Cell, Cell]:
    """The value with the verdict on it, and the limits where it has some."""
    value = row["value"]
    told = "nothing to compare" if value is None else f"{value:,.0f}" if row["metric"] in COUNTS else f"{value:.4f}"
    setting = LIMITS.get(row["metric"])
    if setting is None or row["channel"] != CHANNEL:
        return Cell(told), Cell(""), Cell("")
    yellow, red = getattr(night.settings.gates.changes, setting)
    level = level_of(value, yellow=yellow, red=red, is_floor=setting.startswith("min_"))
    return Cell(told, tone=TONES[level]), Cell(f"{yellow:g}"), Cell(f"{red:g}")


def cost(night: Night, layout: Layout) -> Section:
    """What publishing costs, and how much work the candidates of the holdout were."""
    lead = "What it costs to publish a night, by the prices in the settings."
    if night.manifest is None:
        return Section("cost", "Cost", lead, absent="No snapshot is staged: nothing would be written.")
    kind, manifest = night.settings.store.kind, night.manifest
    texts = [Text(f"The snapshot has {manifest.n_bytes / 1e6:,.1f} MB for {manifest.n_users:,} users.")]
    if kind == "local":
        texts.append(Text("The store is a folder on this machine: publishing costs no dollars."))
    else:
        shape = cost_shapes.shape_of(staged(layout, night.as_of), manifest)
        line = costs.lines(shape, night.settings.costs, kept=night.settings.store.keep + 1)[costs.OWN[kind]]
        texts.append(
            Text(f"Written whole to {kind}: {line.dollars:,.4f} dollars a night, "
                 f"{line.dollars_month_1000_users:,.4f} dollars a month for 1,000 users.")
        )  # fmt: skip
    texts += [Text(told) for told in _work(night.of(tables.RECALL_LEDGER))]
    return Section("cost", "Cost", lead, texts)


def _work(rows: list[Row]) -> list[str]:
    """The processor's seconds, where they were metered."""
    told = [row for row in rows if row["system"] == UNION and row["segment"] is None and row["cpu_seconds"] is not None]
    return [
        f"The candidates of {row['n_users']:,} users of the holdout took {row['cpu_seconds']:,.1f} s of a processor."
        for row in told[:1]
    ]


def versions(night: Night) -> Section:
    """What the night was made of, so that it can be made again."""
    lead = "With these the same night gives the same lists, and these tables the same page."
    ranker = str(night.recipe.get("fingerprint", ""))
    now = night.settings.fingerprint
    facts: dict[str, Any] = {
        "as of": night.as_of.isoformat(),
        "snapshot": night.manifest.snapshot_id if night.manifest else "none is staged",
        "manifest, SHA-256": night.manifest.sha256 if night.manifest else "none is staged",
        **{f"{kind}, SHA-256 begins": digest for kind, digest in night.artifacts.items()},
        "examples of the ranker, fingerprint of their settings": ranker or "no ranker",
        "windows the ranker learnt from": ", ".join(map(str, night.recipe.get("cuts", []))) or "none",
        "settings of this page": now("candidates", "ranker", "placements", "evaluation"),
    }
    rows = [(Cell(name), Cell(str(value))) for name, value in facts.items()]
    return Section("versions", "Versions", lead, [Table("What it was made of", ("what", "which"), rows)])
