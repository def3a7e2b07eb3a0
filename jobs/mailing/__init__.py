"""The email team's files."""
