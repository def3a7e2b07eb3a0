"""The naive references of a date, fitted on what was known then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from scipy import sparse
from threadpoolctl import threadpool_limits

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake, storage
from jobs.artifacts import SharedFolder
from jobs.kernels.blocks import Kitchen
from jobs.kernels.frequencies import frequencies
from jobs.kernels.measuring import Opponents
from jobs.session import cores
from models import artifact, incidence
from models.ragged import Int32
from models.references import cosine, ease, tifuknn

_GIGABYTES: Final = "left out: needs {:.3g} GB, references.memory_gigabytes is {:g}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """The references that can be measured.

    Attributes:
        names: in the order asked for.
        opponents: how a Python worker finds them.
        left_out: by name, why one that was asked for is not there.
    """

    names: tuple[str, ...]
    opponents: Opponents
    left_out: dict[str, str]


def fit(spark: SparkSession, settings: Settings, layout: Layout, kitchen: Kitchen, *, has_earlier: bool) -> Fitted:
    """The references that `evaluation.references` names, as of the kitchen's date; artifacts of before are reused.

    Args:
        spark: session.
        settings: which references, and `references` that bounds them.
        layout: of the root.
        kitchen: artifacts of the date.
        has_earlier: whether there are lists as of a week before.

    Raises:
        InputMissing: there are no histories as of that date.
    """
    left_out: dict[str, str] = {}
    folders: dict[str, Path] = {}
    if "als" not in kitchen.settings.sources:
        left_out["als_alone"] = "left out: als is not among candidates.sources"
    if not has_earlier:
        left_out["last_week"] = f"left out: there are no lists as of {kitchen.as_of - dt.timedelta(days=7)}"
    fitter = _Fitter(spark, settings, layout, kitchen)
    for name in ("cosine", "ease", "tifuknn"):
        if name in settings.evaluation.references:
            needed = fitter.gigabytes(name)
            if needed > settings.references.memory_gigabytes:
                left_out[name] = _GIGABYTES.format(needed, settings.references.memory_gigabytes)
            else:
                folders[name] = fitter.folder(name)
    wanted = settings.evaluation.references
    opponents = Opponents(
        tuple((name, SharedFolder(spark, folder).open) for name, folder in folders.items()), settings.references
    )
    told = {name: why for name, why in left_out.items() if name in wanted}
    return Fitted(tuple(name for name in wanted if name not in told), opponents, told)


class _Fitter:
    """Fits of one date; purchases are read once."""

    def __init__(self, spark: SparkSession, settings: Settings, layout: Layout, kitchen: Kitchen) -> None:
        self._spark, self._settings, self._layout, self._as_of = spark, settings, layout, kitchen.as_of
        self._catalogue = kitchen.catalogue()
        self._n_items = self._catalogue.items.n_items
        self._n_pairs = sum(len(incidence.bought(batch, self._n_items)[1]) for batch in self._batches())

    def gigabytes(self, name: str) -> float:
        """Memory that the fit of a reference takes."""
        wanted = self._settings.references
        if name == "cosine":
            return cosine.gigabytes(self._n_pairs, self._n_items, wanted.cosine_neighbours)
        return ease.gigabytes(len(self._most_bought())) if name == "ease" else tifuknn.gigabytes(self._n_pairs)

    def folder(self, name: str) -> Path:
        """The reference's artifact, made where it is not there or was made with other settings."""
        folder = self._layout.artifact(f"reference_{name}", self._as_of)
        facts = {
            "as_of": self._as_of.isoformat(),
            "n_items": self._n_items,
            "fingerprint": self._settings.fingerprint("references", "candidates", "shop"),
        }
        if not folder.is_dir() or artifact.about(folder) != facts:
            with threadpool_limits(self._settings.threads or cores(), "blas"):
                {"cosine": self._cosine, "ease": self._ease, "tifuknn": self._tifuknn}[name](folder, facts)
        return folder

    def _cosine(self, folder: Path, facts: dict[str, Any]) -> None:
        threads = self._settings.threads or cores()
        blocks = [incidence.matrix(batch, self._n_items) for batch in self._batches()]
        together = sparse.vstack(blocks).tocsr() if blocks else sparse.csr_matrix((0, self._n_items))
        made = cosine.fit(together, self._settings.references.cosine_neighbours, threads=threads)
        cosine.save(folder, made, about=facts)

    def _ease(self, folder: Path, facts: dict[str, Any]) -> None:
        chosen = self._most_bought()
        blocks = (incidence.matrix(batch, self._n_items)[:, chosen] for batch in self._batches())
        weights = ease.fit(ease.gram(blocks, len(chosen)), self._settings.references.ease_regularization)
        ease.save(folder, chosen, weights, about=facts)

    def _tifuknn(self, folder: Path, facts: dict[str, Any]) -> None:
        known = storage.read(self._spark, self._layout, tables.INTERACTIONS, last=self._as_of)
        vectors = frequencies(known, self._n_items, self._settings.references)
        pool = tifuknn.pool_of(
            np.flatnonzero(np.diff(vectors.indptr)).astype(np.int32),
            self._settings.references.tifuknn_users,
            seed=self._settings.seed,
        )
        tifuknn.save(folder, vectors, pool, about=facts)

    def _most_bought(self) -> Int32:
        allowed = self._catalogue.allowed
        return ease.most_bought(self._catalogue.number("buyers"), allowed, self._settings.references.ease_items)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        return lake.batches(self._layout, tables.HISTORIES, self._as_of, incidence.COLUMNS)
