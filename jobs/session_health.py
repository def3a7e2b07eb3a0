"""Whether the running SparkSession still has a Java process behind it, and how to let go of one that has not."""

from __future__ import annotations

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.sql import SparkSession


def live_session() -> SparkSession | None:
    """The session of this process, None where there is none or its Java process died.

    A dead one is forgotten, so that `jobs.session.build` starts a new Java process instead of reusing it.
    """
    session = SparkSession._instantiatedSession  # type: ignore[attr-defined]  # noqa: SLF001  no public way to ask
    context = SparkContext._active_spark_context  # noqa: SLF001
    if session is None or context is None or context._jsc is None:  # type: ignore[attr-defined]  # noqa: SLF001
        return None
    try:
        context._jvm.System.nanoTime()  # type: ignore[union-attr]  # noqa: SLF001
    except (Py4JError, OSError):
        _forget()
        return None
    return session  # type: ignore[no-any-return]


def _forget() -> None:
    gateway = SparkContext._gateway  # noqa: SLF001
    if gateway is not None:
        gateway.close()
    SparkContext._gateway = None  # noqa: SLF001
    SparkContext._jvm = None  # noqa: SLF001
    SparkContext._active_spark_context = None  # noqa: SLF001
    SparkSession._instantiatedSession = None  # type: ignore[attr-defined]  # noqa: SLF001
