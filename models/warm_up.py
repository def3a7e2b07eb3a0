"""The compile cache, filled before the first night."""

from __future__ import annotations

from importlib import import_module

from contracts.settings import Als
from models import als_kernel


def warm_up() -> None:
    """Compiles the kernels for the default settings, or finds them compiled; seconds the first time."""
    als_kernel.warm_up([Als().factors])
    # Kernels with signatures: importing their module compiles them.
    for module in ("models.tree_kernel", "models.anchor_kernel", "models.mmr_kernel", "models.find_kernel"):
        import_module(module)


if __name__ == "__main__":
    warm_up()
