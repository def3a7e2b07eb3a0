"""The service itself, whatever is kept in it: its limits, its calls, and writing at the pace that it takes."""
