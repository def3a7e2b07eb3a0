"""The store that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from contracts.layout import Layout
from contracts.store_section import Store as Section
from export.stores.base import Store
from export.stores.local import LocalStore

if TYPE_CHECKING:
    from export.stores.objects import Bucket
    from export.stores.retrying import Waiting

MEBIBYTE: Final = 1 << 20
QUICK_CAP_SECONDS: Final = 0.2
MOVE_SECONDS: Final = 60.0
"""Deadline of one call that moves the pointer, with all its retries; without a fault it takes part of a second."""


def store_of(section: Section, layout: Layout, waiting: Waiting | None = None) -> Store:
    """The store of the settings' section `store`; a local one lies below the layout's root.

    Args:
        section: kind and place.
        layout: of the root.
        waiting: clock, sleep and chance of the retries; the machine's where None is given.

    Raises:
        SettingsError: region or endpoint is not usable.
    """
    if section.kind == "local":
        return LocalStore(layout.store)
    if section.kind == "s3":
        return _s3(section, waiting)
    return _dynamodb(section, waiting)


def _s3(section: Section, waiting: Waiting | None) -> Store:
    # Here and not above: a lookup from the local disk should not wait for boto3.
    from export.stores.aws import client
    from export.stores.objects import Bucket
    from export.stores.prefetching import READS_AT_ONCE
    from export.stores.retrying import Limits, Retrying, Waiting
    from export.stores.s3 import S3Store

    prefix = _prefix(section)
    where = f"s3://{section.bucket}/{prefix}"
    waits = waiting or Waiting()
    sending = client("s3", section, connections=max(section.connections, READS_AT_ONCE))
    patient = Bucket(sending, section.bucket, prefix, Retrying(where, waits))
    timeout = section.lookup_timeout_seconds
    quick = client("s3", section, timeout_seconds=timeout)
    limits = Limits(attempts=2, first_seconds=0.05, cap_seconds=0.2)
    return S3Store(
        patient,
        Bucket(quick, section.bucket, prefix, Retrying(where, waits, limits)),
        part_bytes=section.part_mebibytes * MEBIBYTE,
        connections=section.connections,
        publish_seconds=section.deadline_minutes * 60.0,
        move_seconds=MOVE_SECONDS,
        read_seconds=2 * timeout + limits.cap_seconds,
        pointer_cache_seconds=section.pointer_cache_seconds,
    )


def _dynamodb(section: Section, waiting: Waiting | None) -> Store:
    from export.stores.aws import client
    from export.stores.dynamodb.options import Options
    from export.stores.dynamodb.publishing import Pace
    from export.stores.dynamodb.service.table import Table
    from export.stores.dynamodb.store import TableStore
    from export.stores.retrying import Limits, Retrying, Waiting

    where = f"dynamodb://{section.table}"
    waits = waiting or Waiting()
    options = Options(
        publish_seconds=section.deadline_minutes * 60.0,
        move_seconds=MOVE_SECONDS,
        read_seconds=2 * section.lookup_timeout_seconds + QUICK_CAP_SECONDS,
        pointer_cache_seconds=section.pointer_cache_seconds,
        expire_days=section.expire_days,
        changed_only=section.changed_only,
        full_every_days=section.full_every_days,
        imports=_imports(section, waits),
        part_bytes=section.part_mebibytes * MEBIBYTE,
        pace=Pace(threads=section.connections, write_units_per_second=float(section.write_units_per_second)),
    )
    timeout = section.lookup_timeout_seconds
    patient = client("dynamodb", section, connections=2 * section.connections)
    quick = client("dynamodb", section, timeout_seconds=timeout, connections=32)
    limits = Limits(attempts=2, first_seconds=0.05, cap_seconds=QUICK_CAP_SECONDS)
    return TableStore(
        Table(patient, section.table, Retrying(where, waits).within(MOVE_SECONDS)),
        Table(quick, section.table, Retrying(where, waits, limits).within(options.read_seconds)),
        options,
    )


def _imports(section: Section, waits: Waiting) -> Bucket | None:
    from export.stores.aws import client
    from export.stores.objects import Bucket
    from export.stores.retrying import Retrying

    if section.layout == "side_by_side":
        return None
    prefix = _prefix(section)
    retrying = Retrying(f"s3://{section.bucket}/{prefix}", waits)
    return Bucket(client("s3", section), section.bucket, prefix, retrying)


def _prefix(section: Section) -> str:
    return f"{section.prefix.strip('/')}/" if section.prefix.strip("/") else ""
