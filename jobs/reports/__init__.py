"""Pages for people: the report of a night and the fairness of a month, each one file."""
