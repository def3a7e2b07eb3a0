"""Lists made again, plainly: user after user, from histories, features, candidates, factors and boosters.

Nothing here is shared with the kernels that made them: no block of users, no bit tables, no sorted keys. What differs
is a fault in one of the two.

Taken over, not recomputed: histories, the features of users and items, which items the sources proposed, their ranks,
and their scores but those of ALS and scorers; the trees of the boosters; the anchor that a reason names; the fallback
lists; how many of the last night's lists showed each item.

A new feature of the ranker is a line in `features.py`, a new stage between scores and list a function in `stages.py`,
at the place where `models.stages` has it. Tests hold both to the names and the order there, so that none is left out.
"""
