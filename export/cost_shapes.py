"""The shape of a build, for its costs: exact where the manifest says it, measured on a sample of users where not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from export.costs import Shape
from export.format.manifest import Manifest
from export.stores.dynamodb.builds import Build
from export.stores.dynamodb.items import SOURCES
from export.stores.dynamodb.service.sizes import item_bytes, write_units

SAMPLE_USERS: Final = 1000


def shape_of(directory: Path, manifest: Manifest) -> Shape:
    """The shape of the build in `directory`; sizes of single lists are those of its first 1,000 users by hash.

    Raises:
        SnapshotCorrupt: a record is damaged.
        InputInvalid: a source has no letter, or a list no item can hold.
    """
    build = Build(directory, manifest, expire_days=1)
    items: list[int] = []
    maps: list[int] = []
    objects: list[int] = []
    for record in islice(build.records(), SAMPLE_USERS):
        requests = list(build.of(record))
        items += [one.n_bytes for one in requests]
        typed = [json.loads(one.body) for one in requests]
        maps += [item_bytes(_as_maps(one)) for one in typed]
        objects.append(sum(len(json.dumps(_plain(one))) for one in typed))
    return Shape(
        users=manifest.n_users,
        lists=build.n_lists,
        files=len(manifest.files) + 1,
        packed_bytes=manifest.n_bytes,
        item_bytes=_mean(items),
        item_units=_mean([write_units(n) for n in items]),
        map_bytes=_mean(maps),
        map_units=_mean([write_units(n) for n in maps]),
        object_bytes=_mean(objects),
    )


def _places(item: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Item id, score and source of each place; the scores stand for texts of their usual length."""
    letters = item["reasons"]["S"] if "reasons" in item else ""
    high = item["high"]["N"] if "high" in item else "0"
    return ((one["S"], high, SOURCES[letter]) for one, letter in zip(item["items"]["L"], letters, strict=True))


def _as_maps(item: dict[str, Any]) -> dict[str, Any]:
    """The item as many write it: a list of maps."""
    places = [
        {"M": {"item_id": {"S": name}, "score": {"N": score}, "reason": {"S": source}}}
        for name, score, source in _places(item)
    ]
    kept = ("pk", "sk", "as_of", "expires_at", "snapshot")
    return {**{name: item[name] for name in kept}, "items": {"L": places}}


def _plain(item: dict[str, Any]) -> list[dict[str, str]]:
    return [{"item_id": name, "score": score, "reason": source} for name, score, source in _places(item)]


def _mean(numbers: list[int]) -> float:
    return sum(numbers) / max(len(numbers), 1)
