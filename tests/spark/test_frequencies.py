from __future__ import annotations

import datetime as dt

import numpy as np
from pyspark.sql import SparkSession

from contracts.references_section import References
from jobs.kernels.frequencies import frequencies

DAY = dt.date(2026, 3, 1)


def test_every_user_has_a_row_and_only_purchases_count(spark: SparkSession) -> None:
    """User 0 bought 1 and then 2; user 2 looked at 1 and bought an item that is not known yet; user 1 is nobody."""
    later = DAY + dt.timedelta(days=1)
    rows = [(DAY, 0, 1, 1), (later, 0, 2, 2), (DAY, 2, 1, 0), (DAY, 2, 9, 1), (later, 2, 0, 1)]
    frame = spark.createDataFrame(rows, "day date, user_idx int, item_idx int, n_purchases int")
    made = frequencies(frame, 4, References(tifuknn_groups=1, tifuknn_basket_decay=0.5)).toarray()
    np.testing.assert_allclose(made, [[0, 0.25, 0.5, 0], [0, 0, 0, 0], [1, 0, 0, 0]])
