"""The store that the settings name."""

from __future__ import annotations

from contracts.layout import Layout
from contracts.sections import Store as Section
from export.stores.base import Store
from export.stores.local import LocalStore


def store_of(section: Section, layout: Layout) -> Store:
    """The store of the settings' section `store`; a local one lies below the layout's root."""
    del section
    return LocalStore(layout.store)
