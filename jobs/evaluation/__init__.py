"""Lists held against what followed, and the gates."""
