"""A shop whose truth is known because it was planted: who likes what, what is bought again and when, what is dirt."""
