"""Several boosters of the same features as one: its raw score is their weighted sum."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from contracts.errors import ArtifactCorrupt

_END: Final = "end of trees"
_SCALED: Final = ("leaf_value", "internal_value")


def blend(models: Sequence[str], weights: Sequence[float]) -> str:
    """A LightGBM model whose raw score is the weighted sum of those of `models`.

    Trees add up, so the models' trees stand one after the other with their outputs multiplied. One file is then
    scored, explained and checked like any other. The header, the objective's name among it, is the first model's.

    Args:
        models: LightGBM's text of each, of the same features and one class; not linear trees.
        weights: of each model's raw score.

    Raises:
        ArtifactCorrupt: a text is not laid out as LightGBM lays it out.
    """
    parts = [_parts(text) for text in models]
    trees = [
        _scaled(tree, weight) for (_, trees_of_model, _), weight in zip(parts, weights, strict=True)
        for tree in trees_of_model
    ]  # fmt: skip
    numbered = [re.sub(r"^Tree=\d+", f"Tree={n}", tree, count=1) for n, tree in enumerate(trees)]
    header, _, footer = parts[0]
    sizes = "tree_sizes=" + " ".join(str(len(tree.encode())) for tree in numbered)
    return re.sub(r"^tree_sizes=.*$", sizes, header, count=1, flags=re.MULTILINE) + "".join(numbered) + footer


def _parts(text: str) -> tuple[str, list[str], str]:
    """What stands before the trees, each tree with its trailing blank lines, and what stands behind them."""
    start, end = text.find("Tree=0\n"), text.find(_END)
    if start < 0 or end < start or "tree_sizes=" not in text[:start]:
        raise ArtifactCorrupt(
            "A model's text has no trees where LightGBM writes them.",
            where="models/blending.py",
            todo="Train the ranker again; if it repeats, use one loss: ranker.losses.",
        )
    trees = re.split(r"(?m)^(?=Tree=\d+\n)", text[start:end])
    return text[:start], [tree for tree in trees if tree], text[end:]


def _scaled(tree: str, weight: float) -> str:
    lines = tree.split("\n")
    for at, line in enumerate(lines):
        name, equals, values = line.partition("=")
        if equals and name in _SCALED:
            lines[at] = f"{name}=" + " ".join(repr(float(value) * weight) for value in values.split())
    return "\n".join(lines)
