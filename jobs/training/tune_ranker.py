"""Settings of the ranker chosen on past windows, and the settings file that says so."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import tomlkit

from contracts import tables
from contracts.errors import InputInvalid
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Ranker, Settings
from jobs import lake
from jobs.paths import layout_of
from jobs.session import cores
from models import examples, tuning
from models.ragged import Int32
from models.ranker import Examples, is_sampled
from models.tuning import Fold, Trial

Names = tuple[str, ...]
COLUMNS: Final = ("user_idx", "labels", "is_new", "features", "is_clicked", "weights")


def run(
    settings: Settings,
    *,
    as_of: dt.date,
    folds: int,
    into: Path,
    base: Path | None,
    told: Callable[[Trial], None],
) -> JobReport:
    """Trials, and `into`: the settings file `base` with the ranker's settings that past windows choose.

    Only stored windows that had ended by `as_of` are looked at: what follows stays unseen, for an honest report.

    Args:
        settings: where to start.
        as_of: last day known.
        folds: newest windows predicted, each from those before it.
        into: written; must not be there.
        base: settings file that is copied with its comments, None for a file of the ranker's section alone.
        told: called with each trial.

    Raises:
        InputInvalid: too few windows are stored, or `into` is there already.
    """
    started = time.perf_counter()
    _check_absent(into)
    chosen, ndcg, trials = _search(settings, as_of, folds, told)
    changed = _changed(settings.ranker, chosen)
    named = {".".join(path): value for path, value in changed.items()}
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_text(_document(base, changed), encoding="utf-8")
    return JobReport(
        job="tune_ranker",
        as_of=as_of,
        rows={"folds": folds, "trials": len(trials), "settings_changed": len(changed)},
        numbers={"ndcg_10_of_the_choice": ndcg},
        details={"changed": named, "file": str(into), "trials": [msgspec.to_builtins(trial) for trial in trials]},
        seconds=time.perf_counter() - started,
    )


def _check_absent(into: Path) -> None:
    if into.exists():
        raise InputInvalid(
            "The file is there already.", where=str(into), todo="Name a new file, or move that one away."
        )


def _search(
    settings: Settings, as_of: dt.date, folds: int, told: Callable[[Trial], None]
) -> tuple[Ranker, float, list[Trial]]:
    return tuning.search(
        _folds(settings, as_of, folds),
        list(settings.placements),
        settings.ranker,
        seed=settings.seed,
        threads=settings.threads or cores(),
        resamples=settings.evaluation.resamples,
        told=told,
    )


def _folds(settings: Settings, as_of: dt.date, folds: int) -> list[Fold]:
    layout = layout_of(settings)
    ended = as_of - dt.timedelta(days=settings.ranker.window_days)
    cuts = [cut for cut in sorted(lake.dates(layout, tables.EXAMPLES), reverse=True) if cut <= ended]
    if len(cuts) < folds + 1:
        raise InputInvalid(
            f"{len(cuts)} windows are stored as of {as_of}; {folds} folds need {folds + 1}.",
            where=str(layout.table(tables.EXAMPLES)),
            todo="Raise ranker.windows and run a night, or ask for fewer --folds.",
        )
    share = min(1.0, settings.ranker.max_examples / max(sum(_rows(layout, cut) for cut in cuts), 1))
    loaded = {cut: _load(settings, layout, cut, share=share) for cut in cuts}
    made = []
    for judged in cuts[:folds]:
        known = judged - dt.timedelta(days=settings.ranker.window_days)
        older = [cut for cut in cuts if cut <= known]
        if older:
            learnt = zip(*(_of_placements(settings, loaded[cut])[0] for cut in older), strict=True)
            rows, users = _of_placements(settings, loaded[judged])
            made.append(Fold(tuple(learnt), rows, users, settings.impressions.click_gain))
    return made


def _rows(layout: Layout, cut: dt.date) -> int:
    return sum(len(batch["labels"].flatten()) for batch in lake.batches(layout, tables.EXAMPLES, cut, ("labels",)))


def _load(settings: Settings, layout: Layout, cut: dt.date, *, share: float) -> pa.Table:
    columns = lake.columns_of(layout, tables.EXAMPLES, cut, COLUMNS)
    rows = pa.Table.from_batches(list(lake.batches(layout, tables.EXAMPLES, cut, columns))).sort_by("user_idx")
    keys = rows["user_idx"].to_numpy().astype("int64")
    dated = rows.append_column("as_of", pa.array([cut] * rows.num_rows, pa.date32()))
    return dated.filter(pa.array(is_sampled(keys, share, settings.seed))).combine_chunks()


def _of_placements(settings: Settings, table: pa.Table) -> tuple[tuple[Examples, ...], tuple[Int32, ...]]:
    """By placement the examples, and the user of each of their groups."""
    users = table["user_idx"].to_numpy()
    made = [
        examples.shown(table, repeats=settings.may_repeat(name), kept=settings.kept_shares(name), seed=settings.seed)
        for name in settings.placements
    ]
    return tuple(rows for rows, _ in made), tuple(users[at] for _, at in made)


def _changed(present: Ranker, chosen: Ranker) -> dict[Names, Any]:
    before, after = _flat(msgspec.to_builtins(present)), _flat(msgspec.to_builtins(chosen))
    return {path: value for path, value in after.items() if path not in before or value != before[path]}


def _flat(tree: dict[str, Any], above: Names = ()) -> dict[Names, Any]:
    """Every value of nested tables by the names that lead to it."""
    found: dict[Names, Any] = {}
    for name, value in tree.items():
        path = (*above, name)
        found |= _flat(value, path) if isinstance(value, dict) else {path: value}
    return found


def _document(base: Path | None, changed: dict[Names, Any]) -> str:
    document = tomlkit.parse(base.read_text(encoding="utf-8")) if base else tomlkit.document()
    for path, value in changed.items():
        section: Any = document
        for name in ("ranker", *path[:-1]):
            if name not in section:
                section[name] = tomlkit.table(is_super_table=name == "placements")
            section = section[name]
        section[path[-1]] = value
    return tomlkit.dumps(document)
