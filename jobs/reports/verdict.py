"""Whether a night is served, whose lists they are, and which gates are not green, in words for everyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from export.stores.state import Pointer
from jobs.evaluation.metric_tables import NAMES
from jobs.reports.blocks import DASH, Cell, Section, Table, Text, Tone
from jobs.reports.facts import Night
from models.measures import OURS

MEANING: Final = {
    "coverage_users": "Some users have no list at all, not even a popular one.",
    "full_lists": "Too many lists are shorter than asked: pages would have empty places.",
    "banned_items": "Items that must not be shown stand in lists.",
    "beats_best_source": "The two-stage lists are not better than the source in their place by more than chance.",
    "min_ndcg": "Quality is below the floor that the shop set.",
    "success": "A success threshold is missed under the protocol that gates it.",
    "fairness": "Some group of users gets lists that foresee less than another group's.",
    "features_in_time": "Stored features know something of a later day: numbers of this night cannot be trusted.",
    "too_good": "Quality is too good to be true: something of the future may have leaked.",
    "top5_changed": "Many users see other items on top than in the lists that are served.",
    "overlap": "Lists share few items with those that are served.",
    "fallback_growth": "More users than before have no list of their own.",
    "users_gone": "Users who are served a list of their own would lose it.",
    "items_moved": "Some item would be shown to far more or far fewer users than now.",
    "placements_gone": "A placement that is served now has no lists tonight.",
    "rules_unknown": "A rule names an item, category or brand that the catalogue does not have.",
}
"""What a gate that is not green means, by the beginning of its name."""
TONES: Final[dict[str, Tone]] = {"green": "good", "yellow": "warn", "red": "bad"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence on top of the page, its tone, and a word for the badge."""

    tone: Tone
    badge: str
    sentence: str


def verdict_of(night: Night, failure: str = "") -> Verdict:
    """Published, held, or neither, whose lists are served, and which step failed, if one did."""
    made = _state(night)
    if not failure:
        return made
    return Verdict("warn" if made.tone == "good" else made.tone, made.badge, f"{made.sentence} {failure}")


def _state(night: Night) -> Verdict:
    pointer, blessing = night.served.pointer, night.blessing
    now = f"Users are served {pointer.snapshot}." if pointer else "Nothing was served before."
    if night.served.failure:
        told = f"The store could not be asked whether the night is served: {night.served.failure}."
        return Verdict("warn", "not known", told)
    if blessing is None:
        told = f"The night did not reach its gates, so nothing of it is published. {now}"
        return Verdict("bad", "not finished", told)
    if blessing.verdict == "held":
        red = [gate for gate in blessing.gates if gate["level"] == "red"]
        names = ", ".join(dict.fromkeys(label(gate) for gate in red))
        told = f"Held: {len(red)} of {len(blessing.gates)} gates are red ({names}), so nothing changes for users. {now}"
        return Verdict("bad", "held", told)
    return _passed(night, pointer, now, sum(gate["level"] == "yellow" for gate in blessing.gates))


def _passed(night: Night, pointer: Pointer | None, now: str, n_yellow: int) -> Verdict:
    """Of a night that the gates passed."""
    tonight = night.manifest.snapshot_id if night.manifest else f"the snapshot of {night.as_of}"
    warned = f" {n_yellow} gates warn." if n_yellow > 1 else " One gate warns." if n_yellow else ""
    if pointer is not None and pointer.snapshot == tonight:
        tone: Tone = "warn" if n_yellow else "good"
        return Verdict(tone, "published", f"Published: users are served {tonight}, {_whose(night)}.{warned}")
    if pointer is not None and tonight in pointer.quarantined:
        return Verdict("bad", "rolled back", f"Rolled back: {tonight} was served and taken away again. {now}")
    if pointer is not None and tonight in {retired.snapshot for retired in pointer.previous}:
        return Verdict("quiet", "replaced", f"{tonight} was served and has been replaced since. {now}")
    why = f" The flip is held: {pointer.held}." if pointer is not None and pointer.held else ""
    return Verdict("bad", "not served", f"The gates passed {tonight}, yet it is not served.{why} {now}{warned}")


def _whose(night: Night) -> str:
    """Whose lists each placement has."""
    entries = night.manifest.placements.items() if night.manifest else ()
    unearned = [f"those of source {entry.system} on {name}" for name, entry in entries if entry.system != OURS]
    earned = [name for name, entry in entries if entry.system == OURS]
    ours = f"the {NAMES[OURS]} on {_joined(earned)}" if earned else ""
    return _joined([*([ours] if ours else []), *unearned])


def section(night: Night) -> Section:
    """The gates: those that warn or hold with what they mean, then all of them."""
    lead = "What every night must pass before anyone is served from it."
    if night.blessing is None:
        return Section("gates", "Gates", lead, absent="The gates did not judge this night.")
    gates = night.blessing.gates
    loud = [gate for level in ("red", "yellow") for gate in gates if gate["level"] == level]
    texts = [Text(f"{label(gate)}: {meaning(gate)} {_told(gate)}", TONES[gate["level"]]) for gate in loud]
    if not loud:
        texts = [Text(f"All {len(gates)} gates are green.", "good")]
    rows = [
        (
            Cell(gate["name"]), Cell(gate["placement"] or "all"), Cell(gate["level"], tone=TONES[gate["level"]]),
            Cell(_number(gate["value"])), Cell(_number(gate["warns_at"])), Cell(_number(gate["limit"])),
            Cell(gate["note"]),
        )
        for gate in sorted(gates, key=lambda gate: list(TONES)[::-1].index(gate["level"]))
    ]  # fmt: skip
    header = ("gate", "placement", "verdict", "value", "yellow beyond", "red beyond", "made of")
    return Section("gates", "Gates", lead, [*texts, Table("All gates", header, rows, is_folded=bool(loud))])


def label(gate: dict[str, Any]) -> str:
    """A gate's name and placement."""
    return f"{gate['name']} of {gate['placement']}" if gate["placement"] else str(gate["name"])


def meaning(gate: dict[str, Any]) -> str:
    """What it means that the gate is not green."""
    found = [text for start, text in MEANING.items() if str(gate["name"]).startswith(start)]
    return found[0] if found else "It is beyond its limit."


def _told(gate: dict[str, Any]) -> str:
    passed = gate["warns_at"] if gate["level"] == "yellow" else gate["limit"]
    value = "It could not be measured" if gate["value"] is None else f"It is {_number(gate['value'])}"
    beyond = "" if passed is None else f", the limit is {_number(passed)}"
    note = f" ({gate['note']})" if gate["note"] else ""
    return f"{value}{beyond}{note}."


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.4g}"


def _joined(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
