"""Sections on users: groups that get less, those served best and worst, those left out of what is learnt."""

from __future__ import annotations

from typing import Final

from contracts import tables
from jobs.reports.blocks import Block, Cell, People, Person, Section, Shown, Table, Text, Tone, count, number
from jobs.reports.facts import Night
from jobs.reports.quality import name_of
from models.fairness import NOT_ENOUGH
from models.measures import Row

GAP_TONES: Final[dict[str, Tone]] = {"green": "good", "yellow": "warn", "red": "bad", NOT_ENOUGH: "quiet"}
SIDES: Final = {"best": "served best", "worst": "served worst"}
MOST_TAKEN: Final = 12


def fairness(night: Night) -> Section:
    """The gaps between groups of users, what each group gets, and which items are shown."""
    lead = "Whether lists foresee as much for one group of users as for another, and whether items show as they sell."
    rows = night.of(tables.FAIRNESS)
    if not rows:
        return Section("fairness", "Fairness", lead, absent="No fairness was measured for this night.")
    limit = night.settings.gates.fairness.max_gap
    blocks: list[Block] = [
        Text(f"A gap above {limit:g} is yellow, one whose whole interval is above it is red. Intervals are widened for "
             f"all pairs compared; groups of fewer than {night.settings.gates.fairness.min_users} users are not told."),
        gaps([row for row in rows if row["verdict"] is not None]),
        _groups([row for row in rows if row["verdict"] is None and row["low"] is not None]),
        _exposure([row for row in rows if row["metric"].startswith("exposure_ratio")]),
    ]  # fmt: skip
    return Section("fairness", "Fairness", lead, [b for b in blocks if not isinstance(b, Table) or b.rows])


def gaps(rows: list[Row]) -> Table:
    """The gap of each placement, kind and metric."""
    cells = [
        (
            Cell(f"{row['placement']}: {row['kind']}"), Cell(name_of(row["metric"])),
            Cell(f"{row['group']} over {row['other']}" if row["value"] is not None else "too few to compare"),
            number(row["value"], low=row["low"], high=row["high"]), count(row["n"]),
            Cell(row["verdict"], tone=GAP_TONES[row["verdict"]]),
        )
        for row in rows
    ]  # fmt: skip
    header = (
        "placement: groups",
        "metric",
        "best over worst",
        "gap [95 % over all pairs]",
        "users in the smaller",
        "verdict",
    )
    return Table("Gaps between groups of users, protocol full catalogue", header, cells)


def _groups(rows: list[Row]) -> Table:
    cells = [
        (
            Cell(f"{row['placement']}: {row['kind']}"), Cell(row["group"]), Cell(name_of(row["metric"])),
            number(row["value"], low=row["low"], high=row["high"]), count(row["n"]),
        )
        for row in rows
    ]  # fmt: skip
    header = ("placement: groups", "group", "metric", "mean [95 %]", "users")
    return Table("Each group, protocol full catalogue", header, cells)


def _exposure(rows: list[Row]) -> Table:
    cells = [
        (
            Cell(f"{row['placement']}: {row['kind']}"), Cell(row["group"]), Cell(name_of(row["metric"])),
            number(row["value"], ".2f"), count(row["n"]),
        )
        for row in rows
    ]  # fmt: skip
    header = ("placement: groups", "group of items", "metric", "share of places over share of buyers", "places")
    return Table("Exposure of items: 1 is in proportion to recent buyers", header, cells, is_folded=True)


def extremes(night: Night) -> Section:
    """The users whose lists foresaw most and least of what they bought."""
    lead = (
        "Users of the newest past window by nDCG of their list, protocol full catalogue; among equals who bought more "
        "comes first. Ids are the shop's own: this page is for people inside the shop."
    )
    rows = night.of(tables.EXTREME_USERS)
    if not rows:
        return Section("users", "Best and worst users", lead, absent="No users were kept when this night was measured.")
    blocks: list[Block] = []
    for placement in night.settings.placements:
        for side, words in SIDES.items():
            mine = [row for row in rows if (row["placement"], row["side"]) == (placement, side)]
            if mine:
                mine.sort(key=lambda row: row["place"])
                blocks.append(People(f"{placement}: {words}", [_person(night, row) for row in mine]))
    return Section("users", "Best and worst users", lead, blocks)


def _person(night: Night, row: Row) -> Person:
    baskets = "1 basket" if row["n_baskets"] == 1 else f"{row['n_baskets']:,} baskets"
    hits = len(set(row["listed"]) & set(row["taken"]))
    about = (
        f"{name_of(row['metric'])} {row['value']:.3f}; {hits} of {len(row['listed'])} listed items bought; "
        f"{row['n_taken']:,} bought in the window; {baskets} before"
    )
    taken = row["taken"][:MOST_TAKEN]
    return Person(
        row["user_id"],
        about,
        [_shown(night, item, is_hit=item in row["taken"]) for item in row["listed"]],
        [_shown(night, item, is_hit=item in row["listed"]) for item in taken],
        row["n_taken"] - len(taken),
    )


def _shown(night: Night, item: int, *, is_hit: bool) -> Shown:
    item_id, title = night.titles.get(item, ("", ""))
    return Shown(item_id if title else "", title or item_id or f"item {item}, not in the catalogue", is_hit)


def flagged(night: Night) -> Section:
    """How many users are left out of what is learnt."""
    lead = "Users whose traffic is no shopper's teach the models nothing; they are served like everyone."
    if night.flagged is None:
        return Section("flagged", "Flagged users", lead, absent="Nobody looked for them on this night.")
    n = night.flagged["all"]
    limits = ", ".join(f"{name}: {found:,}" for name, found in sorted(night.flagged.items()) if name != "all")
    told = "1 user is flagged" if n == 1 else f"{n:,} users are flagged"
    return Section("flagged", "Flagged users", lead, [Text(f"{told}. By limit: {limits}." if n else f"{told}.")])
