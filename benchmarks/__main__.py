"""`python -m benchmarks`: all stages in one run, a table, and `build/bench.json`."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import results
from benchmarks.results import Result
from benchmarks.sizes import FULL, QUICK
from benchmarks.stages import GROUPS, STAGES, measure

OUT: Final = Path("build/bench.json")
ORDER: Final = (
    "als_fit", "candidates", "rank", "gx_share", "snapshot_build", "snapshot_build_rate", "payload_bytes",
    "payload_bytes_json", "lookup_p50", "lookup_p99_ms", "http_p99_ms", "dynamodb_cpu",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 once everything asked for was measured, whether or not a goal is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs, not how fast it is")
    parser.add_argument("--stage", action="append", choices=STAGES, help="only this stage; can be repeated")
    parser.add_argument("--out", type=Path, default=OUT, help=f"the JSON file (default: {OUT})")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else FULL
    made: list[Result] = []
    for group in GROUPS:
        stages = tuple(stage for stage in group if not options.stage or stage in options.stage)
        if stages:
            print(f"measuring {', '.join(stages)} ...", file=sys.stderr, flush=True)
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                made += process.submit(measure, stages, sizes).result()
    made.sort(key=lambda one: ORDER.index(one.stage))
    results.write(made, options.out)
    results.show(made, Console(width=None if sys.stdout.isatty() else 120))
    print(f"written to {options.out}" + ("; sizes are tiny, the ratios mean nothing" if options.quick else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
