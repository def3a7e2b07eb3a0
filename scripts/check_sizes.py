"""The house's size rules: modules under 300 lines, functions under 40, docstrings counted."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Final

FOLDERS: Final = (
    "contracts", "features", "models", "export", "jobs", "dagster_project", "benchmarks", "scripts", "tests",
)  # fmt: skip
MODULE_LINES: Final = 300
FUNCTION_LINES: Final = 40


def too_long(name: str, source: str) -> list[str]:
    """One line of text for each module or function of `source` that is too long, in order of appearance."""
    found = []
    n_lines = len(source.splitlines())
    if n_lines >= MODULE_LINES:
        found.append(f"{name}:1: module of {n_lines} lines; the limit is under {MODULE_LINES}")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length >= FUNCTION_LINES:
                where = f"{name}:{node.lineno}: {node.name}"
                found.append(f"{where} has {length} lines; the limit is under {FUNCTION_LINES}")
    return found


def main(root: Path) -> int:
    """Exit code 1 with the findings on stdout, 0 when there are none."""
    paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    found = [
        line for path in paths for line in too_long(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent))
