"""Dagster definitions: assets, checks, schedule, resources."""
