"""Numpy kernels of `models` run over Spark DataFrames, block of users by block of users."""
