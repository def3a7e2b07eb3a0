from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROBE = """
import json, sys, time
start = time.process_time()
import export.lookup, export.stores.opening
print(json.dumps([time.process_time() - start, sorted(name.partition('.')[0] for name in sys.modules)]))
"""
FORBIDDEN = {"pyspark", "lightgbm", "implicit", "scipy", "pyarrow", "pandas", "boto3", "dagster", "great_expectations",
             "fastapi", "pydantic", "uvicorn", "prometheus_client"}  # fmt: skip


def test_a_lookup_needs_neither_spark_nor_a_model_nor_arrow() -> None:
    """A fresh interpreter that imports lookup and store loads none of them, in under 0.3 s of processor time."""
    seconds = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, check=True)
        spent, modules = json.loads(done.stdout)
        assert FORBIDDEN.isdisjoint(modules)
        seconds.append(spent)
    assert min(seconds) < 0.3
