"""Model artifacts on disk, within reach of every Python worker."""

from __future__ import annotations

from pathlib import Path

from pyspark import SparkFiles
from pyspark.sql import SparkSession


class SharedFolder:
    """A folder that Python workers can open: in place when local, shipped by `addFile` on a cluster."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        """Makes `folder` reachable by the workers of `spark`."""
        self._is_local = str(spark.sparkContext.master).startswith("local")
        self._folder = str(folder)
        if not self._is_local:
            spark.sparkContext.addFile(str(folder), recursive=True)

    def open(self) -> Path:
        """The folder as this process sees it."""
        return Path(self._folder) if self._is_local else Path(SparkFiles.get(Path(self._folder).name))
