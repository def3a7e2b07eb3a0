"""What a snapshot costs in each place and shape it could be published in, from its measured shape and given prices."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from contracts.cost_section import Costs
from export.stores.dynamodb.service.sizes import MAX_BATCH_ITEMS

GIGABYTE: Final = 1e9
OVERHEAD_BYTES: Final = 100
"""Storage that a table is charged for an item beside its own size."""

Way = Literal["local", "packed", "table", "map_items", "object_per_user"]
OWN: Final[dict[str, Way]] = {"local": "local", "s3": "packed", "dynamodb": "table"}
"""How each kind of store publishes."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot's sizes.

    Attributes:
        users: with lists of their own.
        lists: one a user and placement.
        files: of the packed snapshot, the manifest included.
        packed_bytes: all files together.
        item_bytes: of a list as an item of a table, on average.
        item_units: write units of it, on average.
        map_bytes: of a list as an item whose places are maps, on average.
        map_units: write units of that, on average.
        object_bytes: of a user's lists as a JSON object, on average.
    """

    users: int
    lists: int
    files: int
    packed_bytes: int
    item_bytes: float
    item_units: float
    map_bytes: float
    map_units: float
    object_bytes: float


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one way of publishing costs.

    Attributes:
        write_units: of a table, a night.
        requests: a night.
        bytes: written a night.
        dollars: a night, without storage.
        dollars_month_1000_users: all nights of a month and the storage of the kept snapshots, for 1,000 users.
    """

    write_units: float
    requests: float
    bytes: float
    dollars: float
    dollars_month_1000_users: float


def lines(shape: Shape, costs: Costs, *, kept: int) -> dict[Way, Line]:
    """The cost of every way, for the same snapshot.

    Args:
        shape: as measured.
        costs: prices.
        kept: snapshots in the store at once, the current one included.
    """
    n, users = shape.lists, shape.users
    return {
        "local": Line(write_units=0, requests=0, bytes=shape.packed_bytes, dollars=0, dollars_month_1000_users=0),
        "packed": _objects(shape.files, shape.packed_bytes, users, costs, kept),
        "table": _items(n, n * shape.item_units, n * shape.item_bytes, users, costs, kept),
        "map_items": _items(n, n * shape.map_units, n * shape.map_bytes, users, costs, kept),
        "object_per_user": _objects(users, users * shape.object_bytes, users, costs, kept),
    }


def published(line: Line, numbers: dict[str, float], users: int, costs: Costs) -> Line:
    """The line of the store's own way with what this publish really wrote: lists that were skipped cost nothing.

    Args:
        line: as estimated.
        numbers: the store's, with `write_units`, `read_units`, `requests` and `bytes` where it has them.
        users: of the snapshot.
        costs: prices.
    """
    units = numbers.get("write_units", line.write_units)
    reading = numbers.get("read_units", 0.0) * costs.read_units_million / 1e6
    saved = (line.write_units - units) * costs.write_units_million / 1e6
    dollars = line.dollars - saved + reading
    month = line.dollars_month_1000_users + (reading - saved) * costs.nights_month * 1000 / max(users, 1)
    return Line(
        write_units=units,
        requests=numbers.get("requests", line.requests),
        bytes=numbers.get("bytes", line.bytes),
        dollars=dollars,
        dollars_month_1000_users=month,
    )


def _objects(n: int, n_bytes: float, users: int, costs: Costs, kept: int) -> Line:
    dollars = n * costs.puts_thousand / 1000
    storage = kept * n_bytes / GIGABYTE * costs.object_gigabyte_month
    return _line(0, n, n_bytes, dollars, storage, users, costs)


def _items(n: int, units: float, n_bytes: float, users: int, costs: Costs, kept: int) -> Line:
    dollars = units * costs.write_units_million / 1e6
    storage = kept * (n_bytes + n * OVERHEAD_BYTES) / GIGABYTE * costs.table_gigabyte_month
    return _line(units, -(-n // MAX_BATCH_ITEMS), n_bytes, dollars, storage, users, costs)


def _line(
    units: float, requests: float, n_bytes: float, dollars: float, storage: float, users: int, costs: Costs
) -> Line:
    month = (dollars * costs.nights_month + storage) * 1000 / max(users, 1)
    return Line(write_units=units, requests=requests, bytes=n_bytes, dollars=dollars, dollars_month_1000_users=month)
