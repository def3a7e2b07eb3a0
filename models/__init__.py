"""Candidate sources, ranker and metrics in numpy, scipy, numba, implicit and LightGBM. No Spark, no cloud, no clock."""
