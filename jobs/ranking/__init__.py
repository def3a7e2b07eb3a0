"""Candidates, scores and lists of a night."""
