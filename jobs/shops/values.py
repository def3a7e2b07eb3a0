"""A shop's values in the types of the landing layout."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
DAY_US: Final = 86_400_000_000
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST_US: Final = (dt.date(1, 1, 1) - _EPOCH.date()).days * DAY_US
_END_US: Final = ((dt.date(9999, 12, 31) - _EPOCH.date()).days + 1) * DAY_US
_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MIN_EPOCH_DIGITS: Final = 9
_Int64s = npt.NDArray[np.int64]


def as_text(column: pa.Array) -> pa.Array:
    """Ids and words as strings; whole numbers that were stored as floats lose their `.0`.

    Raises:
        pyarrow.ArrowException: the values are lists or records.
    """
    column = _plain(column)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        if pc.all(pc.equal(column, pc.trunc(column))).as_py() is not False:
            column = column.cast(pa.int64())
    return column.cast(pa.string())


def as_number(column: pa.Array) -> pa.Array:
    """Doubles; text that is no number, NaN and infinities become null."""
    column = _plain(column)
    try:
        numbers = column.cast(pa.float64())
    except pa.ArrowException:
        numbers = pa.array([_number(value) for value in column.to_pylist()], pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


def as_timestamp(column: pa.Array, pattern: str | None = None) -> pa.Array:
    """Microseconds in UTC; what is no time between the years 1 and 9999 becomes null.

    Args:
        column: timestamps (without zone: taken as UTC), dates, ISO 8601 text, or numbers since 1970 in seconds,
            milli-, micro- or nanoseconds, told apart by their size.
        pattern: strptime pattern of text that is not ISO 8601.
    """
    column = _plain(column)
    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
        kind = column.type
    if pa.types.is_timestamp(kind):
        return _from_integers(column.cast(pa.int64()), _PER_SECOND[kind.unit])
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_integers(_whole(column), None)
    return _from_text(column.cast(pa.string()), pattern)


def n_missing(column: pa.Array) -> int:
    """Values that were not there: nulls, and NaN among floats."""
    return int(pc.sum(pc.is_null(column, nan_is_null=True)).as_py() or 0)


def days_of(timestamps: pa.Array, *, missing: int) -> npt.NDArray[np.int32]:
    """UTC days since 1970 of `TIMESTAMP` values, `missing` where null; shape (len(timestamps),)."""
    micros = timestamps.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    days: npt.NDArray[np.int32] = np.floor_divide(micros, DAY_US).astype(np.int32)
    days[timestamps.is_null().to_numpy(zero_copy_only=False)] = missing
    return days


def for_spark(column: pa.Array) -> pa.Array:
    """The column unchanged where Spark reads its type from Parquet, else the nearest type that Spark does."""
    column = _plain(column)
    kind = column.type
    if pa.types.is_null(kind) or pa.types.is_time(kind) or pa.types.is_binary(kind) or pa.types.is_uint64(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind):
        return as_timestamp(column)
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if pa.types.is_duration(kind):
        return column.cast(pa.int64())
    return column


def _plain(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    return column


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _whole(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):
        usable = pc.and_(pc.is_finite(column), pc.less(pc.abs(column), 9e18))
        column = pc.if_else(usable, column, pa.scalar(None, column.type))
    return column.cast(pa.int64(), safe=False)


def _from_integers(integers: pa.Array, per_second: int | None) -> pa.Array:
    values = integers.fill_null(0).to_numpy(zero_copy_only=False)
    missing = integers.is_null().to_numpy(zero_copy_only=False)
    if per_second is None:
        size = np.abs(values)
        steps = [size < 10**11, size < 10**14, size < 10**17]
        micros, fits = _micros(values, np.select(steps, [1, 1_000, 1_000_000], default=1_000_000_000))
    else:
        micros, fits = _micros(values, np.full(len(values), per_second, np.int64))
    missing = missing | ~fits
    return pa.array(np.where(missing, 0, micros), pa.int64(), mask=missing).cast(TIMESTAMP)


def _micros(values: _Int64s, rate: _Int64s) -> tuple[_Int64s, npt.NDArray[np.bool_]]:
    up = np.maximum(1_000_000 // rate, 1)
    down = np.maximum(rate // 1_000_000, 1)
    # 64-bit nanoseconds cannot leave the years 1677 to 2262; coarser units can leave what a date can hold.
    fits = (down > 1) | ((values >= _FIRST_US // up) & (values < _END_US // up))
    return np.where(fits, values, 0) * up // down, fits


def _from_text(texts: pa.Array, pattern: str | None) -> pa.Array:
    if pattern is not None:
        parsed = pc.strptime(pc.utf8_trim_whitespace(texts), format=pattern, unit="s", error_is_null=True)
        return as_timestamp(parsed)
    try:
        return as_timestamp(texts.cast(pa.timestamp("us")))
    except pa.ArrowException:
        return pa.array([_moment(text) for text in texts.to_pylist()], pa.int64()).cast(TIMESTAMP)


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit() and _MIN_EPOCH_DIGITS <= len(text) <= len(str(2**62)):
        micros = _from_integers(pa.array([int(text)], pa.int64()), None).cast(pa.int64())[0].as_py()
        return None if micros is None else int(micros)
    try:
        moment = dt.datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        micros = (aware - _EPOCH) // dt.timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None
    return micros if _FIRST_US <= micros < _END_US else None
