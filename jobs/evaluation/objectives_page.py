"""The sweep of the objectives as one page: what each set of weights buys, and what it costs."""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK: Final = "#1d211f"
CHOSEN: Final = "#c8501e"
SHOWN_SHARE: Final = 0.8
"""Of the NDCG of engagement alone: weights that lose more are not plotted."""
_HEAD: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ margin: 0 auto; max-width: 1080px; padding: 32px 24px 64px; color: #1d211f; background: #fbfbf9;
  font: 15px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 26px; margin: 0 0 4px; }} h2 {{ font-size: 19px; margin: 36px 0 4px; }}
p {{ margin: 4px 0 12px; max-width: 76ch; color: #4b534e; }} svg {{ width: 100%; height: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 4px 14px 4px 0; text-align: right; border-bottom: 1px solid #e2e4de; }}
th {{ font-weight: 600; color: #4b534e; }} td:first-child, th:first-child {{ text-align: left; }}
</style>
"""
_ABOUT: Final = (
    "<p>Lists known before {cut}, against what was bought in the window that followed, by a ranker that never saw it. "
    "Full catalogue, K = {k}. Every dot is one set of weights; a line joins those that no other beats in both NDCG and "
    "diversity. Weights that lose a fifth of the NDCG or more are left out.</p>"
)


def page(shop: str, facts: dict[str, Any], found: dict[str, list[dict[str, Any]]]) -> str:
    """The page; the same points give the same bytes.

    Args:
        shop: its name.
        facts: `as_of`, `cut` and `k`.
        found: points by placement: the chosen weights, engagement alone, then others.
    """
    title = f"Objectives of {shop}"
    parts = [
        _HEAD.format(title=html.escape(title)),
        f"<h1>{html.escape(title)}</h1>",
        _ABOUT.format(**facts),
    ]
    for name, points in found.items():
        parts += [
            f"<h2>{html.escape(name)}</h2>",
            f"<p>{_cost(points)}</p>",
            _plot(points, facts["k"]),
            _table(points, facts["k"]),
        ]
    return "\n".join(parts) + "\n</html>\n"


def _cost(points: list[dict[str, Any]]) -> str:
    cost = points[0]["ndcg_minus_engagement"]
    return (
        f"The chosen weights change NDCG by {cost['value']:+.4f} [{cost['low']:+.4f}, {cost['high']:+.4f}] against "
        f"engagement alone, paired by {points[0]['n_users']:,} users; diversity by "
        f"{points[0]['diversity'] - points[1]['diversity']:+.3f}, coverage by "
        f"{points[0]['coverage'] - points[1]['coverage']:+.3f}."
    )


def _plot(points: list[dict[str, Any]], k: int) -> str:
    """The figure as inline SVG, the same bytes every time."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "objectives", "svg.fonttype": "none", "font.size": 10}):
        target = io.StringIO()
        _figure(points, k).savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return target.getvalue()[target.getvalue().index("<svg") :]


def _figure(points: list[dict[str, Any]], k: int) -> Figure:
    """Diversity over NDCG at `k`, coloured by coverage."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e8e2", linewidth=0.8)
    axes.set_axisbelow(True)
    shown = [*points[:2], *(point for point in points[2:] if point["ndcg"] >= SHOWN_SHARE * points[1]["ndcg"])]
    x, y = [point["ndcg"] for point in shown], [point["diversity"] for point in shown]
    colours = axes.scatter(
        x[2:], y[2:], c=[point["coverage"] for point in shown[2:]], cmap="viridis", s=34, linewidths=0, zorder=2
    )
    figure.colorbar(colours, ax=axes, label="coverage of the assortment", pad=0.01)
    front = _front(list(zip(x, y, strict=True)))
    axes.plot([a for a, _ in front], [b for _, b in front], color=INK, linewidth=1.1, alpha=0.6, zorder=1)
    marks = ((1, "engagement alone", INK, "o", (-10, -4)), (0, "chosen", CHOSEN, "D", (-12, -4)))
    for at, text, colour, marker, offset in marks:
        axes.scatter([x[at]], [y[at]], s=90, marker=marker, color=colour, edgecolors="white", zorder=4)
        axes.annotate(
            text, (x[at], y[at]), xytext=offset, textcoords="offset points", color=colour, weight="bold", ha="right"
        )
    axes.set_xlabel(f"nDCG@{k}")
    axes.set_ylabel("diversity of a list")
    axes.margins(0.08)
    return figure


def _front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that none beats in both, by falling NDCG."""
    kept: list[tuple[float, float]] = []
    for ndcg, diversity in sorted(set(points), reverse=True):
        if not kept or diversity > kept[-1][1]:
            kept.append((ndcg, diversity))
    return kept


def _table(points: list[dict[str, Any]], k: int) -> str:
    """The chosen weights, engagement alone, and what no other beats, best NDCG first."""
    rest = sorted((point for point in points[2:] if point["is_unbeaten"]), key=lambda point: -point["ndcg"])
    has_margin = points[0]["margin"] is not None
    rows = []
    for point in [*points[:2], *rest[:12]]:
        weights = ", ".join(f"{name} {share:.2f}" for name, share in point["weights"].items() if share)
        margin = f"<td>{point['margin']:.3f}</td>" if has_margin else ""
        name = f"<b>{point['role']}</b>: " if point["role"] != "grid" else ""
        rows.append(
            f"<tr><td>{name}{weights}</td><td>{point['ndcg']:.4f}</td><td>{point['diversity']:.3f}</td>"
            f"<td>{point['coverage']:.3f}</td>{margin}</tr>"
        )
    margin = "<th>margin</th>" if has_margin else ""
    head = f"<tr><th>weights</th><th>nDCG@{k}</th><th>diversity</th><th>coverage</th>{margin}</tr>"
    return f"<table>{head}{''.join(rows)}</table>"
