"""How a store in DynamoDB works."""

from __future__ import annotations

from dataclasses import dataclass, field

from export.stores.dynamodb.planning import ChangedOnly
from export.stores.dynamodb.publishing import Pace
from export.stores.objects import Bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a store works.

    Attributes:
        publish_seconds: deadline of a publish, a verification or a retention.
        move_seconds: deadline of one call that moves the pointer.
        read_seconds: deadline of one lookup.
        pointer_cache_seconds: `mark` asks at most so often.
        expire_days: days from the end of a snapshot's date to the TTL of its items.
        changed_only: which lists are left out because the current snapshot has them already.
        full_every_days: a snapshot points back over so many days at most.
        pace: threads and rate of writing.
        imports: where files lie that are imported into a table a snapshot; None where all share one table.
        part_bytes: larger ones of them are sent in parts of this size.
    """

    publish_seconds: float = 1800.0
    move_seconds: float = 60.0
    read_seconds: float = 2.5
    pointer_cache_seconds: float = 5.0
    expire_days: int = 30
    changed_only: ChangedOnly = "off"
    full_every_days: int = 7
    pace: Pace = field(default_factory=Pace)
    imports: Bucket | None = None
    part_bytes: int = 16 << 20
