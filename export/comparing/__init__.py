"""Two snapshots compared: what changes for the users if one is served in place of the other."""
