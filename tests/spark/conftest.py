"""One small Spark session for every test of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest
from pyspark.sql import SparkSession

from contracts import settings
from jobs import session

SMALL: Final = {
    "LARDER_SPARK__MASTER": "local[1]",
    "LARDER_SPARK__SHUFFLE_PARTITIONS": "1",
    "LARDER_SPARK__DRIVER_MEMORY": "1g",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session with one core and one shuffle partition; LARDER_SPARK__JARS names another folder of jars."""
    environment = {name: value for name, value in os.environ.items() if name == "LARDER_SPARK__JARS"}
    root = str(tmp_path_factory.mktemp("warehouse"))
    built = session.build(settings.load(None, environment | SMALL, root=root))
    yield built
    built.stop()
