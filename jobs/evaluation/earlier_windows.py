"""What the windows held out say of the systems, and how the ones before the newest are measured."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts.references_section import MAIN_REFERENCES
from contracts.settings import Settings
from jobs.evaluation.choosing import SIMPLEST_FIRST
from jobs.evaluation.measure import Measured
from models.contest import Contest
from models.measures import FULL, OURS, SOURCE, Key


def for_choice(settings: Settings) -> Settings:
    """The settings that measure an earlier window: beside the sources only the references that need no fit."""
    wanted = msgspec.structs.replace(settings.evaluation, references=MAIN_REFERENCES)
    return msgspec.structs.replace(settings, evaluation=wanted)


def contests(windows: Sequence[Measured], settings: Settings) -> dict[str, Contest]:
    """By placement, the sources and the two-stage lists over the users of all windows; sources by simplicity.

    Args:
        windows: what each was measured to be worth.
        settings: sources, placements, cutoff, resamples and seed.
    """
    rivals = [name for name in SIMPLEST_FIRST if name in settings.candidates.sources]
    metric = f"ndcg_{settings.evaluation.k}"
    made = {}
    for placement in settings.placements:
        wanted = [*(Key(FULL, placement, SOURCE + name, metric) for name in rivals), Key(FULL, placement, OURS, metric)]
        parts = [(one.user_idx, one.columns([one.keys.index(key) for key in wanted])) for one in windows]
        made[placement] = Contest((*rivals, OURS), parts, resamples=settings.evaluation.resamples, seed=settings.seed)
    return made
