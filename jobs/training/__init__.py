"""Features, artifacts and the ranker of a date."""
