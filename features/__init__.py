"""Spark transformations, DataFrame to DataFrame. Nothing here reads or writes."""
