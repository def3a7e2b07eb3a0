"""The session that runs: starting it quietly, whether its Java process lives, letting go of one whose process died."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.sql import SparkSession

from contracts.settings import Settings
from jobs import session as sessions
from jobs.paths import layout_of

LOG_NAME: Final = "spark.log"


def start(settings: Settings, *, is_quiet: bool) -> SparkSession:
    """A session; a quiet one's Java process prints into `logs/spark.log` of the root instead of on stderr.

    Raises:
        EnvironmentUnfit: Java or the Delta jars are missing.
    """
    if not is_quiet:
        return sessions.build(settings)
    folder = layout_of(settings).root / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    with _stderr_into(folder / LOG_NAME):
        return sessions.build(settings)


def live_session() -> SparkSession | None:
    """The session of this process, None where there is none or its Java process died.

    A dead one is forgotten, so that `jobs.session.build` starts a new Java process instead of reusing it.
    """
    session = SparkSession._instantiatedSession  # noqa: SLF001  no public way to ask
    context = SparkContext._active_spark_context  # noqa: SLF001
    if session is None or context is None or context._jsc is None:  # noqa: SLF001
        return None
    try:
        context._jvm.System.nanoTime()  # type: ignore[union-attr]  # noqa: SLF001
    except (Py4JError, OSError):
        _forget()
        return None
    return session


@contextmanager
def _stderr_into(file: Path) -> Iterator[None]:
    """A process started inside keeps the file as its stderr; this process gets its own back."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with file.open("ab") as log:
            os.dup2(log.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _forget() -> None:
    gateway = SparkContext._gateway  # noqa: SLF001
    if gateway is not None:
        gateway.close()
    SparkContext._gateway = None  # noqa: SLF001
    SparkContext._jvm = None  # noqa: SLF001
    SparkContext._active_spark_context = None  # noqa: SLF001
    SparkSession._instantiatedSession = None  # noqa: SLF001
