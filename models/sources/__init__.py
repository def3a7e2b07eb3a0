"""Candidate sources: each proposes items that a user may want, and scores any item it knows."""
