"""Failures of the machine that reach us as some library's exception, as errors that a person can act on."""

from __future__ import annotations

import errno
from typing import Final

from contracts.errors import EnvironmentUnfit, LarderError

_FULL: Final = ("No space left on device", "Disk quota exceeded")
_MEMORY: Final = ("java.lang.OutOfMemoryError", "GC overhead limit exceeded")


def as_larder_error(error: BaseException) -> LarderError | None:
    """The error that a person can act on, or None where we know no better than the exception itself."""
    if isinstance(error, LarderError):
        return error
    text = str(error)
    if (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or any(m in text for m in _FULL):
        where = str(getattr(error, "filename", None) or "the root folder or Spark's scratch folder")
        return EnvironmentUnfit(
            "The disk is full.",
            where=where,
            todo="Free space, then run the same command again: what was published before still stands.",
        )
    if any(mark in text for mark in _MEMORY):
        return EnvironmentUnfit(
            "The Java process ran out of memory.",
            where="spark.driver_memory",
            todo="Raise spark.driver_memory in the settings, then run the same command again.",
        )
    cause = error.__cause__ or error.__context__
    return as_larder_error(cause) if cause is not None else None
