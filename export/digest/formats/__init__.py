"""Files in the shape that a sender takes: one module a sender, one line a request or a recipient."""
