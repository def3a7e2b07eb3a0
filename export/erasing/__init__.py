"""Users taken out of what was made: snapshots, digests, files of rows, kept lists; and remembered by a keyed hash."""
