"""Candidate sources, ranker and metrics in numpy, scipy, implicit and LightGBM. No Spark, no cloud, no clock."""
