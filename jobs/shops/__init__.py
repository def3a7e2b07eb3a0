"""A shop's own files on their way into the landing layout: reading, typing, cutting into days. No Spark."""
