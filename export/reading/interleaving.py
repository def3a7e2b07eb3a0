"""Two rankings of one user's items as one list, so that what is clicked tells which of them is preferred.

Team-draft interleaving (Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval quality?", 2008):
in every round a coin says which team picks first, and each team picks its best item that is not in the list yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Literal

from msgspec.structs import replace

from export.reading.answers import TopN

Team = Literal["stable", "canary"]
ROUNDS_A_HASH: Final = 512


def team_draft(stable: Sequence[str], canary: Sequence[str], k: int, seed: str) -> list[tuple[Team, int]]:
    """For each place of the list, best first, the team whose item it is and the item's place in its ranking.

    Args:
        stable: items, best first, none twice.
        canary: the same of the other team.
        k: places wanted; fewer where both teams have no more.
        seed: the same one gives the same list; of different ones half let either team begin.
    """
    teams: dict[Team, Sequence[str]] = {"stable": stable, "canary": canary}
    at: dict[Team, int] = {"stable": 0, "canary": 0}
    taken: set[str] = set()
    drafted: list[tuple[Team, int]] = []
    round_ = 0
    while len(drafted) < k:
        before = len(drafted)
        order: tuple[Team, Team] = ("canary", "stable") if _coin(seed, round_) else ("stable", "canary")
        for team in order:
            ranking = teams[team]
            while at[team] < len(ranking) and ranking[at[team]] in taken:
                at[team] += 1
            if at[team] < len(ranking) and len(drafted) < k:
                taken.add(ranking[at[team]])
                drafted.append((team, at[team]))
        if len(drafted) == before:
            break
        round_ += 1
    return drafted


def interleaved(stable: TopN, canary: TopN, k: int, salt: str) -> TopN:
    """Both answers as one, whose `teams` say where each item comes from; `snapshot` is the stable one's.

    Ages are those of the stable answer. Scores are each team's own and can be compared within a team only.

    Args:
        stable: the user's answer from the stable snapshot.
        canary: the same user's and placement's from the canary.
        k: places wanted.
        salt: of the channels; another one draws other lists.
    """
    drafted = team_draft(stable.items, canary.items, k, f"{salt}\n{stable.placement}\n{stable.user_id}")
    answers = {"stable": stable, "canary": canary}
    columns = {
        name: [getattr(answers[team], name)[place] for team, place in drafted]
        for name in ("items", "titles", "scores", "reasons", "sources")
    }
    teams = [team for team, _ in drafted]
    return replace(stable, **columns, channel="interleaved", teams=teams, canary_snapshot=canary.snapshot)


def mixed(stable: list[TopN], canary: list[TopN], lengths: Sequence[int], salt: str) -> list[TopN]:
    """The stable answers, each interleaved with the canary's where both are the user's own list, undamaged.

    Args:
        stable: answers.
        canary: answers to the same questions, or none.
        lengths: places wanted of each.
        salt: as in `interleaved`.
    """
    if not canary:
        return stable
    return [
        interleaved(one, other, k, salt) if _is_own(one) and _is_own(other) else one
        for one, other, k in zip(stable, canary, lengths, strict=True)
    ]


def _is_own(made: TopN) -> bool:
    return made.source == "personal" and not made.is_degraded


def _coin(seed: str, round_: int) -> bool:
    """Whether the canary picks first in a round: one bit of a hash of the seed."""
    block, bit = divmod(round_, ROUNDS_A_HASH)
    name = f"{block}\n{seed}".encode("utf-8", "surrogatepass")
    return bool(hashlib.blake2b(name, digest_size=64).digest()[bit // 8] >> (bit % 8) & 1)
