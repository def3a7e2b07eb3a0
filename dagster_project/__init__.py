"""Larder's nightly as Dagster assets, checks, partitions and a schedule. Nothing below imports Dagster."""
