"""Naive recommenders that the lists must beat: one module each, behind one interface."""
