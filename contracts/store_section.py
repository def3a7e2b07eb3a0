"""The section of the settings that says where snapshots are published and how long they are kept."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from contracts.sections import Count, Positive, PositiveFloat, Section

PartMebibytes = Annotated[int, msgspec.Meta(ge=5, le=5120)]
StoreKind = Literal["local", "s3", "dynamodb"]


class Store(Section, frozen=True):
    """The published snapshots.

    Attributes:
        kind: where they lie; `local` is the folder `store` of the root.
        shards: files a snapshot's records are spread over by a hash of the user id.
        keep: snapshots kept beside the current one.
        grace_minutes: a snapshot is deleted only so long after it was last served.
        stale_after_hours: age from which an answer is called stale.
        pointer_cache_seconds: a reader of a remote store looks at the pointer at most so often.
        longest_read_seconds: what a reader may take to read from one snapshot; together with the pointer's cache it
            must be shorter than the grace.
        bucket: of the kind `s3`, and of the layout `table_each`.
        prefix: before every key in the bucket.
        region: empty takes the one of the AWS configuration.
        endpoint: URL of another server than AWS, empty for AWS.
        connect_timeout_seconds: of one request.
        read_timeout_seconds: of one request.
        lookup_timeout_seconds: of one request of a lookup, which is tried twice.
        deadline_minutes: of one publish with all its retries.
        part_mebibytes: larger files are sent in parts of this size.
        table: of the kind `dynamodb`.
        connections: used at once for writing a table, or for sending files to a bucket and reading them back.
        write_units_per_second: the most that a table is asked to write; less while it throttles.
        expire_days: from the end of a snapshot's date to the TTL of its items.
        changed_only: lists that the current snapshot has already are not written again: none (`off`), those with the
            same scores too (`exact`), or those that show the same in the same order (`order`).
        layout: of the kind `dynamodb`: snapshots side by side in one table, or a table each, `<table>-<snapshot>`,
            imported from files in `bucket`.
        full_every_days: a snapshot points back to older lists over so many days at most.
    """

    kind: StoreKind = "local"
    shards: Positive = 8
    keep: Positive = 3
    grace_minutes: Positive = 60
    stale_after_hours: Positive = 36
    pointer_cache_seconds: Count = 5
    longest_read_seconds: Positive = 900
    bucket: str = ""
    prefix: str = "larder"
    region: str = ""
    endpoint: str = ""
    connect_timeout_seconds: PositiveFloat = 3.0
    read_timeout_seconds: PositiveFloat = 20.0
    lookup_timeout_seconds: PositiveFloat = 1.0
    deadline_minutes: Positive = 30
    part_mebibytes: PartMebibytes = 16
    table: str = ""
    connections: Positive = 8
    write_units_per_second: Positive = 4000
    expire_days: Positive = 30
    changed_only: Literal["off", "exact", "order"] = "off"
    layout: Literal["side_by_side", "table_each"] = "side_by_side"
    full_every_days: Positive = 7

    def __post_init__(self) -> None:
        if self.kind == "s3" and not self.bucket:
            raise ValueError("store.bucket is empty, which the kind s3 needs")
        if self.kind == "dynamodb" and not self.table:
            raise ValueError("store.table is empty, which the kind dynamodb needs")
        if self.layout == "table_each" and (self.kind != "dynamodb" or not self.bucket or self.changed_only != "off"):
            raise ValueError("store.layout table_each needs the kind dynamodb, a bucket, and changed_only off")
        if self.expire_days <= self.full_every_days:
            raise ValueError("store.expire_days is not more than full_every_days: lists in use would expire")
        if self.grace_minutes * 60 <= self.pointer_cache_seconds + self.longest_read_seconds:
            raise ValueError("store.grace_minutes is not longer than pointer_cache_seconds and longest_read_seconds")
