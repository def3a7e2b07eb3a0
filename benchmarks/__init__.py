"""Each slow part of a night against a peer, in one run, printing ratios."""
