"""A page as its tables, texts, tags and ids."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "path", "use", "rect", "polyline", "circle"}


class Page(HTMLParser):
    """The tables of a page as text, its other texts, tags and ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self._caption = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Learns a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "caption":
            self._caption = ""
        if tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        if tag in ("td", "th"):
            self.tables[self._caption][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Every tag is closed in order."""
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Learns a text."""
        self.texts.append(data)
        if "caption" in self.open:
            self._caption += data
        elif "td" in self.open or ("th" in self.open and self._caption):
            if not self.tables[self._caption][-1]:
                return
            self.tables[self._caption][-1][-1] += data

    @property
    def text(self) -> str:
        """All texts, one space between words."""
        return " ".join(" ".join(self.texts).split())


def rows(page: Page, caption: str) -> list[list[str]]:
    """The cells of the table with that caption, its header first."""
    return [[" ".join(cell.split()) for cell in row] for row in page.tables[caption]]
