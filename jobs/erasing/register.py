"""The register of a root."""

from __future__ import annotations

from contracts.layout import Layout
from export.erasing.register import Register


def register_of(layout: Layout) -> Register:
    """The register of the users erased from a root."""
    return Register(layout.erased)
