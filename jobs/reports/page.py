"""A page as one file: everything inline, nothing fetched, every text escaped, the same facts the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from export.durable import replace_bytes
from jobs.reports.blocks import MARKS, Section
from jobs.reports.verdict import Verdict

TEMPLATES: Final = Path(__file__).parent / "templates"


def render(*, title: str, eyebrow: str, verdict: Verdict, sections: Sequence[Section], footer: str) -> str:
    """The page's HTML; texts of the shop are escaped, and kept apart where they run from right to left.

    Args:
        title: heading, and the browser's tab.
        eyebrow: what kind of page it is, above the heading.
        verdict: what stands on top.
        sections: in order.
        footer: a sentence at the end.
    """
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from markupsafe import Markup

    pages = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(str(TEMPLATES)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = Markup((TEMPLATES / "page.css").read_text(encoding="utf-8"))  # noqa: S704  our own file
    return pages.get_template("page.html.jinja").render(
        title=title, eyebrow=eyebrow, verdict=verdict, sections=sections, footer=footer, style=style, marks=MARKS
    )


def write(path: Path, html: str) -> Path:
    """The file, whole or not at all; lone surrogates of broken ids become question marks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(path, html.encode("utf-8", "replace"))
    return path
