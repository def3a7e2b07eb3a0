"""The assets, one module a lineage group, in the order data travels."""
