"""Lists kept on this machine for the time the store is away: fallback lists, and what was answered lately.

The file is `LRLG` | SHA-256 of all that follows | zlib of a MessagePack array (see `_Pack`). It is written when a new
snapshot is opened and when the reader closes, and read only where there is nothing else to answer from.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Final, Protocol

import msgspec

from contracts.errors import LarderError, SnapshotCorrupt
from export.durable import replace_bytes
from export.format.manifest import EVERYONE
from export.reading.answers import LOG, Excluded, TopN, cut_answer
from export.reading.tally import Tally
from export.stores.base import Reader, Rows

MAGIC: Final = b"LRLG"
HEAD_BYTES: Final = 36
KEPT_PLACES: Final = 100


class _Pack(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the file holds.

    Attributes:
        fallbacks: by placement and segment.
        answers: the latest last.
    """

    fallbacks: dict[str, dict[str, TopN]]
    answers: list[TopN]


class Kept(Protocol):
    """Lists on this machine that stand in for the store's."""

    def remember(self, made: TopN) -> None:
        """Keeps a personal answer in place of the user's earlier one."""
        ...

    def keep(self, snapshot: Reader) -> None:
        """Keeps the fallback lists of a snapshot in place of the last one's."""
        ...

    def save(self) -> None:
        """What is kept outlives this process."""
        ...

    def forget(self) -> int:
        """Users' own answers that are kept no more: somebody was erased, and nobody says who."""
        ...

    def personal(self, user_id: str, k: int, placement: str, excluded: Excluded) -> TopN | None:
        """An own list of the user, None where none was kept or nothing of it may show."""
        ...

    def fallback(self, user_id: str, k: int, placement: str, segment: str | None, excluded: Excluded) -> TopN | None:
        """The segment's list, else the popular one, all of one snapshot; None where nothing was ever kept."""
        ...


class StandIn:
    """A whole snapshot on this machine, put there by others."""

    def __init__(self, snapshot: Reader) -> None:
        """Answers from `snapshot`."""
        self._snapshot = snapshot

    def remember(self, made: TopN) -> None:
        """Keeps nothing: the snapshot has it."""

    def keep(self, snapshot: Reader) -> None:
        """Keeps nothing either."""

    def save(self) -> None:
        """There is nothing to save."""

    def forget(self) -> int:
        """Keeps nothing: whoever put the snapshot there takes the user out of it."""
        return 0

    def personal(self, user_id: str, k: int, placement: str, excluded: Excluded) -> TopN | None:
        """The user's own list in the snapshot, None where it has none or nothing of it may show."""
        if placement not in self._snapshot.placements:
            return None
        try:
            user = self._snapshot.find(user_id)
        except SnapshotCorrupt:
            LOG.exception("the local snapshot %s is damaged", self._snapshot.where)
            return None
        rows = None if user is None else user.rows(placement, KEPT_PLACES)
        if user is None or rows is None:
            return None
        return _cut(_kept(self._snapshot, placement, rows, user.segment), user_id, k, excluded)

    def fallback(self, user_id: str, k: int, placement: str, segment: str | None, excluded: Excluded) -> TopN | None:
        """The segment's list, else the popular one."""
        if placement not in self._snapshot.placements:
            return None
        for wanted in (segment, None):
            owner, rows = self._snapshot.fallback(placement, wanted, KEPT_PLACES)
            found = _kept(self._snapshot, placement, rows, None if owner == EVERYONE else owner)
            if (made := _cut(found, user_id, k, excluded)) is not None:
                return made
        return None


class LastGood:
    """Answers of earlier minutes and the fallback lists of the last snapshot. Safe to share between threads."""

    def __init__(self, path: Path, *, n_answers: int, tally: Tally) -> None:
        """Keeps up to `n_answers` and uses the file at `path`; `failed_packs` of `tally` grows where it cannot."""
        self._path, self._n_answers, self._tally = path, n_answers, tally
        self._answers: OrderedDict[tuple[str, str], TopN] = OrderedDict()
        self._fallbacks: dict[str, dict[str, TopN]] | None = None
        self._is_loaded = False
        self._lock: Final = threading.Lock()

    def remember(self, made: TopN) -> None:
        """Keeps a personal answer in place of the user's earlier one."""
        key = made.user_id, made.placement
        with self._lock:
            self._answers[key] = made
            self._answers.move_to_end(key)
            if len(self._answers) > self._n_answers:
                self._answers.popitem(last=False)

    def keep(self, snapshot: Reader) -> None:
        """Keeps the fallback lists of a snapshot in place of the last one's, here and in the file."""
        made: dict[str, dict[str, TopN]] = {}
        for placement in snapshot.placements:
            for segment in (*snapshot.manifest.segments, EVERYONE):
                owner, rows = snapshot.fallback(placement, segment, KEPT_PLACES)
                if owner == segment:
                    known = None if owner == EVERYONE else owner
                    made.setdefault(placement, {})[segment] = _kept(snapshot, placement, rows, known)
        self._fallbacks = made
        self.save()

    def save(self) -> None:
        """The file holds what is kept here; a disk that cannot be written to costs the file, not the answers."""
        if self._fallbacks is None:
            return
        with self._lock:
            answers = list(self._answers.values())
        body = zlib.compress(msgspec.msgpack.encode(_Pack(self._fallbacks, answers)), 1)
        try:
            replace_bytes(self._path, MAGIC + hashlib.sha256(body).digest() + body)
        except (LarderError, OSError):
            self._tally.add("failed_packs")
            LOG.exception("the last-good pack %s cannot be written", self._path)

    def forget(self) -> int:
        """Users' own answers that were kept here or in the file and are no more."""
        self._load()
        with self._lock:
            n = len(self._answers)
            self._answers.clear()
        self.save()
        return n

    def personal(self, user_id: str, k: int, placement: str, excluded: Excluded) -> TopN | None:
        """The user's last own list, None where none was kept or nothing of it may show."""
        self._load()
        return _cut(self._answers.get((user_id, placement)), user_id, k, excluded)

    def fallback(self, user_id: str, k: int, placement: str, segment: str | None, excluded: Excluded) -> TopN | None:
        """The segment's list, else the popular one, all of one snapshot; None where nothing was ever kept."""
        self._load()
        lists = (self._fallbacks or {}).get(placement, {})
        own = _cut(lists.get(segment or EVERYONE), user_id, k, excluded)
        return own or _cut(lists.get(EVERYONE), user_id, k, excluded)

    def _load(self) -> None:
        """What the file holds is kept here, where nothing else is yet; it is read once."""
        with self._lock:
            if self._is_loaded or self._fallbacks is not None:
                return
            self._is_loaded = True
        try:
            data = self._path.read_bytes()
            if data[:4] != MAGIC or hashlib.sha256(data[HEAD_BYTES:]).digest() != data[4:HEAD_BYTES]:
                raise ValueError("the file differs from its checksum")  # noqa: TRY301  one place tells of a bad file
            pack = msgspec.msgpack.decode(zlib.decompress(data[HEAD_BYTES:]), type=_Pack)
        except FileNotFoundError:
            return
        except (OSError, ValueError, zlib.error):  # msgspec's errors are ValueErrors
            self._tally.add("failed_packs")
            LOG.exception("the last-good pack %s cannot be read", self._path)
            return
        with self._lock:
            self._fallbacks = pack.fallbacks
            for made in pack.answers:
                self._answers.setdefault((made.user_id, made.placement), made)


def _cut(made: TopN | None, user_id: str, k: int, excluded: Excluded) -> TopN | None:
    if made is None:
        return None
    answer = cut_answer(made, k, excluded, user_id=user_id, source="last_good", is_degraded=True)
    return answer if answer.items else None


def _kept(snapshot: Reader, placement: str, rows: Rows, segment: str | None) -> TopN:
    return TopN(
        user_id="", placement=placement, items=rows.items, titles=rows.titles, scores=rows.scores,
        reasons=rows.reasons, sources=rows.sources, snapshot=snapshot.id, as_of=snapshot.manifest.as_of,
        age_hours=None, is_stale=None, source="last_good", segment=segment, is_degraded=True,
    )  # fmt: skip
