"""Snapshots, stores, pointer, lookup and digest. No JVM and no model library."""
