from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from contracts import tables
from contracts.errors import ArtifactCorrupt
from contracts.layout import Layout
from contracts.settings import Calibration, Settings
from jobs import lake
from jobs.training.calibrate import FITTED_SHARE, of_placement, of_placements
from models import ranker
from models.calibration import logistic
from models.ranker import is_sampled

N_USERS, N_PAIRS = 2000, 40


def _settings(**wanted: Any) -> Settings:
    return Settings(calibration=Calibration(**wanted), seed=5)


def _table() -> pa.Table:
    """Purchases with odds e^(2s - 3) at a score s."""
    random = np.random.default_rng(1)
    scores = random.normal(0, 1, (N_USERS, N_PAIRS)).astype(np.float32)
    labels = random.random(scores.shape) < logistic(2 * scores - 3)
    return pa.table(
        {
            "user_idx": pa.array(np.arange(N_USERS), pa.int32()),
            "scores": pa.array(scores.tolist(), pa.list_(pa.float32())),
            "labels": pa.array(labels.tolist(), pa.list_(pa.bool_())),
        }
    )


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_the_other_half_of_the_users_checks_what_one_half_fitted(method: str) -> None:
    """Its pairs are counted, the bins are foreseen within 0.05 and the logistic of the score is not."""
    made, bins = of_placement(_table(), _settings(method=method))
    checked = int((~is_sampled(np.arange(N_USERS), FITTED_SHARE, 6)).sum())
    assert 0 < checked < N_USERS
    assert {row["n_users"] for row in bins} == {checked}
    assert sum(row["n_pairs"] for row in bins) == checked * N_PAIRS
    assert [row["bin"] for row in bins] == list(range(10))
    assert max(abs(row["predicted"] - row["observed"]) for row in bins) < 0.05
    assert max(abs(row["uncalibrated"] - row["observed"]) for row in bins) > 0.2
    assert made.method == method


def test_what_the_checking_half_bought_fits_nothing() -> None:
    """With their purchases turned round the map is the same, and it is wrong for them."""
    table = _table()
    fitted = is_sampled(np.arange(N_USERS), FITTED_SHARE, 6)
    labels = np.array(table["labels"].to_pylist())
    turned = np.where(fitted[:, None], labels, ~labels).tolist()
    other, bins = of_placement(table.set_column(2, "labels", pa.array(turned, pa.list_(pa.bool_()))), _settings())
    assert other.to_json() == of_placement(table, _settings())[0].to_json()
    assert max(abs(row["predicted"] - row["observed"]) for row in bins) > 0.5


def test_every_placement_has_its_own_map_and_rows_that_the_table_takes(tmp_path: Path) -> None:
    """Scores of `discover` turned round: its map is another; the bins of both are written and read back in order."""
    table = _table()
    turned = table.set_column(1, "scores", pa.array((-np.array(table["scores"].to_pylist())).tolist()))
    named = {"home": table, "discover": turned}
    parts = [rows.append_column("placement", pa.array([name] * N_USERS)) for name, rows in named.items()]
    whole = pa.concat_tables(parts, promote_options="permissive")
    made, bins = of_placements(whole, _settings(), cut=dt.date(2026, 1, 31))
    assert list(made) == ["home", "discover"]
    assert made["home"].apply(np.array([2.0])) > 3 * made["discover"].apply(np.array([2.0]))
    layout = Layout(tmp_path)
    assert lake.replace_as_of(layout, tables.RELIABILITY, bins, dt.date(2026, 2, 28)) == len(bins)
    rows = lake.rows(layout, tables.RELIABILITY, dt.date(2026, 2, 28))
    assert [(row["placement"], row["bin"]) for row in rows] == sorted((row["placement"], row["bin"]) for row in bins)
    assert {row["cut"] for row in rows} == {dt.date(2026, 2, 1)}


def test_a_ranker_keeps_its_calibrations(tmp_path: Path) -> None:
    """Saved beside the boosters, read back exactly, refused when damaged or absent."""
    made, _ = of_placement(_table(), _settings())
    folder = tmp_path / "ranker"
    ranker.save(folder, {}, about={}, calibrations={"home": made})
    assert ranker.load_calibration(folder, "home").to_json() == made.to_json()
    with pytest.raises(ArtifactCorrupt):
        ranker.load_calibration(folder, "discover")
    (folder / ranker.calibration_file("home")).write_text("{}")
    with pytest.raises(ArtifactCorrupt):
        ranker.load_calibration(folder, "home")
