from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from export.cost_shapes import shape_of
from export.format.manifest import Manifest
from export.stores.dynamodb.builds import Build
from export.stores.dynamodb.service.sizes import item_bytes


def test_the_shape_of_a_build_is_measured(tmp_path: Path, build: Callable[..., Manifest]) -> None:
    """Users, lists and bytes of the manifest; a list as an item has the size that the rules give it, maps have more."""
    manifest = build(tmp_path / "b")
    shape = shape_of(tmp_path / "b", manifest)
    assert (shape.users, shape.lists, shape.files, shape.packed_bytes) == (3, 4, 5, manifest.n_bytes)
    made = Build(tmp_path / "b", manifest, expire_days=1)
    sizes = [item_bytes(json.loads(one.body)) for record in made.records() for one in made.of(record)]
    assert shape.item_bytes == pytest.approx(sum(sizes) / 4)
    assert (shape.item_units, shape.map_units) == (1, 1)
    assert shape.object_bytes > 50
