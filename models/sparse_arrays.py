"""Sparse matrices as arrays of an artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import sparse

from models import artifact
from models.ragged import AnyArray


def to_arrays(name: str, matrix: sparse.csr_matrix) -> dict[str, AnyArray]:
    """`<name>_data` (float32), `<name>_indices`, `<name>_indptr` and `<name>_shape`."""
    return {
        f"{name}_data": matrix.data.astype(np.float32),
        f"{name}_indices": matrix.indices.astype(np.int32),
        f"{name}_indptr": matrix.indptr.astype(np.int64),
        f"{name}_shape": np.array(matrix.shape, dtype=np.int64),
    }


def load(folder: Path, name: str) -> sparse.csr_matrix:
    """The matrix that `to_arrays` gave to an artifact, memory-mapped.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    parts = tuple(artifact.array(folder, f"{name}_{part}") for part in ("data", "indices", "indptr"))
    rows, columns = artifact.array(folder, f"{name}_shape").tolist()
    return sparse.csr_matrix(parts, shape=(rows, columns), copy=False)
