"""Snapshots staged, blessed, published, compared and served."""
