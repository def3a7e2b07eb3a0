from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROBE = """
import json, sys, time
start = time.process_time()
import numpy
numpy_loaded = time.process_time()
import export.lookup, export.stores.opening
loaded = time.process_time()
modules = sorted(name.partition('.')[0] for name in sys.modules)
print(json.dumps([(loaded - start) / (numpy_loaded - start), modules]))
"""
FORBIDDEN = {"pyspark", "lightgbm", "implicit", "scipy", "pyarrow", "pandas", "boto3", "dagster", "great_expectations",
             "fastapi", "pydantic", "uvicorn", "prometheus_client"}  # fmt: skip


def test_a_lookup_needs_neither_spark_nor_a_model_nor_arrow() -> None:
    """A fresh interpreter that imports lookup and store loads none of them, in 2.5 times what NumPy alone takes."""
    ratios = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, check=True)
        ratio, modules = json.loads(done.stdout)
        assert FORBIDDEN.isdisjoint(modules)
        ratios.append(ratio)
    assert min(ratios) < 2.5
