"""From settings to paths."""

from __future__ import annotations

from pathlib import Path

from contracts.layout import Layout
from contracts.settings import Settings


def layout_of(settings: Settings) -> Layout:
    """The layout below the settings' root, absolute."""
    return Layout(Path(settings.root).absolute())
