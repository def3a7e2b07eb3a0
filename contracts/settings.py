"""The settings: frozen, typed, strict. A TOML file, then `LARDER_SECTION__KEY` variables, over the defaults.

The sections stand in `contracts.sections` and are importable from here.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.changes_section import Changes
from contracts.cost_section import Costs
from contracts.digest_section import Digest, Mail
from contracts.errors import SettingsError
from contracts.exploration_section import EXPLORED, Exploration
from contracts.gates_section import Gates
from contracts.impressions_section import Impressions
from contracts.outcomes_section import Outcomes
from contracts.placement_section import OBJECTIVES, Objectives, Placement, check_weights, default_placements
from contracts.quality_section import Calibration, Fairness, Segments, Suspicion, Thresholds
from contracts.ranker_section import Loss, OwnRanker, Ranker, Shares, check_rankers
from contracts.references_section import References, check_references
from contracts.rules_section import PINNED, Rule, check_rules
from contracts.sections import (
    SCORER_NAMES,
    SOURCE_NAMES,
    Als,
    Candidates,
    Count,
    Evaluation,
    EventType,
    Ingest,
    Role,
    Section,
    Shop,
    Spark,
    check_candidates,
)
from contracts.store_section import Store
from contracts.traffic_section import Traffic

__all__ = [
    "OBJECTIVES",
    "SCORER_NAMES",
    "SOURCE_NAMES",
    "Als",
    "Calibration",
    "Candidates",
    "Changes",
    "Costs",
    "Digest",
    "Evaluation",
    "EventType",
    "Exploration",
    "Fairness",
    "Gates",
    "Impressions",
    "Ingest",
    "Loss",
    "Mail",
    "Objectives",
    "Outcomes",
    "OwnRanker",
    "Placement",
    "Ranker",
    "References",
    "Role",
    "Section",
    "Segments",
    "Settings",
    "Shares",
    "Shop",
    "Spark",
    "Store",
    "Suspicion",
    "Thresholds",
    "Traffic",
    "dump",
    "load",
]

ENVIRONMENT_PREFIX: Final = "LARDER_"


class Settings(Section, frozen=True):
    """Everything a night depends on, beside its input and `as_of`."""

    root: str = "larder"
    seed: Count = 20261124
    threads: Count = 0
    shop: Shop = Shop()
    ingest: Ingest = Ingest()
    spark: Spark = Spark()
    traffic: Traffic = Traffic()
    als: Als = Als()
    candidates: Candidates = Candidates()
    ranker: Ranker = Ranker()
    impressions: Impressions = Impressions()
    placements: dict[str, Placement] = msgspec.field(default_factory=default_placements)
    objectives: Objectives = Objectives()
    rules_file: str = ""
    rules: tuple[Rule, ...] = ()
    evaluation: Evaluation = Evaluation()
    segments: Segments = Segments()
    calibration: Calibration = Calibration()
    references: References = References()
    gates: Gates = Gates()
    store: Store = Store()
    costs: Costs = Costs()
    digest: Digest = Digest()
    exploration: Exploration = Exploration()
    outcomes: Outcomes = Outcomes()

    def __post_init__(self) -> None:
        check_candidates(self.candidates)
        check_references(self.evaluation.references)
        check_rankers(self.ranker, tuple(self.placements))
        if not any(kind.role == "purchase" for kind in self.shop.event_types.values()):
            raise ValueError("shop.event_types needs at least one type with the role purchase")
        if strange := [name for name in self.gates.thresholds.placements if name not in self.placements]:
            raise ValueError(f"gates.thresholds.placements has {strange}; known are {list(self.placements)}")
        if self.segments.light_baskets <= self.segments.new_baskets:
            raise ValueError("segments.light_baskets must be above segments.new_baskets")
        if absent := [name for name in self.digest.placements if name not in self.placements]:
            raise ValueError(f"digest.placements has {absent}; known are {list(self.placements)}")
        if self.digest.min_items > self.digest.k:
            raise ValueError("digest.min_items is above digest.k")
        if absent := [name for name in self.exploration.share if name not in {*self.placements, "home"}]:
            raise ValueError(f"exploration.share has {absent}; known are {list(self.placements)}")
        if self.exploration.first_slot > self.exploration.last_slot:
            raise ValueError("exploration.first_slot is after exploration.last_slot")
        check_weights(self.objectives, self.placements)
        check_rules(self.rules, self.placements)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What a list's `reasons` count through: those of the candidates, then `explored` and `pinned`."""
        return (*self.candidates.reasons, EXPLORED, PINNED)

    def may_repeat(self, placement: str) -> bool:
        """Whether lists of the placement may hold items that their user bought before."""
        return self.placements[placement].repeats and self.shop.repeats

    @property
    def stored_shares(self) -> Shares:
        """What examples keep of the unbought candidates: the most that a placement which may show them learns from."""
        of_all = {name: self.ranker.of(name).drawn_share for name in self.placements}
        own = (share for name, share in of_all.items() if self.may_repeat(name))
        return Shares(max(own, default=0.0), max(of_all.values()))

    def kept_shares(self, placement: str) -> Shares:
        """What each draw of a placement takes of the unbought examples that are stored."""
        wanted = self.ranker.of(placement).negative_share
        return Shares(*(min(wanted / stored, 1.0) if stored else 0.0 for stored in self.stored_shares))

    def fingerprint(self, *sections: str) -> str:
        """Hash of the named sections and the seed, 16 hex digits; equal settings give equal hashes."""
        chosen = {name: msgspec.to_builtins(getattr(self, name)) for name in sorted({*sections, "seed"})}
        return hashlib.sha256(msgspec.json.encode(chosen, order="deterministic")).hexdigest()[:16]


def load(path: Path | None, environment: Mapping[str, str], *, root: str | None = None) -> Settings:
    """Settings from a TOML file and variables over the defaults.

    Args:
        path: settings file, or None for the defaults.
        environment: `LARDER_RANKER__WINDOWS=2` sets ranker.windows; values are read as TOML, else as text.
        root: overrides `root`.

    Raises:
        SettingsError: unreadable file, unknown key, wrong type or value out of range.
    """
    tree = _read(path) if path is not None else {}
    for name, text in sorted(environment.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            _set(tree, name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"), _parse(text), name)
    if root is not None:
        tree["root"] = root
    if tree.get("rules_file"):
        tree["rules"] = [*tree.get("rules", ()), *_rules(tree["rules_file"], path)]
    try:
        return msgspec.convert(tree, Settings)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(
            f"The settings are not valid: {error}",
            where=str(path) if path else "defaults and environment",
            todo="Correct the key or value; docs/settings.md lists all of them.",
        ) from error


def dump(settings: Settings) -> dict[str, Any]:
    """The settings as plain dictionaries, for metadata and JSON."""
    tree: dict[str, Any] = msgspec.to_builtins(settings)
    return tree


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"The settings file cannot be read: {error}", where=str(path), todo="Name a readable TOML file."
        ) from error


def _rules(name: str, beside: Path | None) -> list[Any]:
    """The rules of a file, which a relative name finds beside the settings file."""
    path = (beside.parent if beside is not None else Path()) / name
    tree = _read(path)
    if set(tree) != {"rules"} or not isinstance(tree["rules"], list):
        raise SettingsError(
            f"A file of rules has [[rules]] and nothing else; this one has {sorted(tree)}.",
            where=str(path),
            todo="Move the other tables to the settings file.",
        )
    return tree["rules"]


def _parse(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _set(tree: dict[str, Any], keys: list[str], value: object, name: str) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise SettingsError(f"{name} names a key below a value.", where="environment", todo="Unset or correct it.")
    tree[keys[-1]] = value
