"""The files of a digest while it is written: every recipient goes to the lists or to the holdout, none to both."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from export.digest import keys
from export.digest.audience import Candidate
from export.digest.choosing import Choice, Chooser
from export.digest.formats.shapes import Batches, Campaign, Mailing, Shape
from export.digest.lines import Chosen, Kind
from export.digest.tables import LIST_COLUMNS, Compression, Lines, Table, csv_table, json_lines, list_rows

LISTS: Final = "lists"
HOLDOUT: Final = "holdout"


@dataclass(slots=True)
class Tally:
    """What was written to one pair of files.

    Attributes:
        kinds: recipients by whose list they got.
        item_ids: of all places.
        repeats_before: places that would repeat an ignored item, had the mailed items not sunk.
        repeats: places that repeat one as it is.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    item_ids: set[str] = field(default_factory=set)
    n_rows: int = 0
    repeats_before: int = 0
    repeats: int = 0

    def note(self, choice: Choice, kind: Kind) -> None:
        """One recipient more."""
        self.kinds[kind] += 1
        self.item_ids.update(place.item_id for place in choice.places)
        self.n_rows += len(choice.places)
        self.repeats_before += choice.repeats_before
        self.repeats += choice.repeats


class Output:
    """The open files; they take their places when the block ends well.

    Attributes:
        mailed: what went to the lists.
        held: what went to the holdout.
        n_short: users whose list was too short.
    """

    def __init__(
        self, out: Path, campaign: Campaign, shape: Shape | None, *, compression: Compression, salt: str, share: float
    ) -> None:
        """Writes to the folder `out`; `share` of the users, drawn by `salt`, are held out."""
        self._out, self._campaign, self._shape = out, campaign, shape
        self._compression: Compression = compression
        self._salt, self._share = salt, share
        self._stack = ExitStack()
        self._batches: Batches | None = None
        self.mailed, self.held, self.n_short = Tally(), Tally(), 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._mailed_to, self._held_to = self._pair(stack, LISTS), self._pair(stack, HOLDOUT)
            if self._shape is not None:
                lines = stack.enter_context(json_lines(self._out, self._shape.name, self._compression))
                self._batches = Batches(self._shape, self._campaign, lines)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._batches is not None:
            self._batches.flush()
        self._stack.__exit__(kind, error, trace)

    def take(self, candidate: Candidate, choice: Choice, chooser: Chooser) -> None:
        """One user who may be mailed, with what was chosen."""
        if choice.kind is None:
            self.n_short += 1
            return
        chosen = self._chosen(candidate, choice, choice.kind)
        is_held = keys.is_held_out(candidate.user_id, salt=self._salt, share=self._share)
        tally, (lines, table) = (self.held, self._held_to) if is_held else (self.mailed, self._mailed_to)
        tally.note(choice, choice.kind)
        campaign = self._campaign
        recipient = chosen.recipient(placement=campaign.placement, snapshot=campaign.snapshot, as_of=campaign.as_of)
        lines.write(recipient)
        for row in list_rows(recipient):
            table.write(row)
        if self._batches is not None and not is_held:
            self._batches.add(Mailing(campaign, chosen, [chooser.item(place) for place in choice.places]))

    def _chosen(self, candidate: Candidate, choice: Choice, kind: Kind) -> Chosen:
        ids = self._campaign.tracking_ids(candidate.user_id, [place.item_id for place in choice.places])
        return Chosen(candidate.user_id, candidate.email, kind, choice.places, ids)

    def _pair(self, stack: ExitStack, stem: str) -> tuple[Lines, Table]:
        lines = stack.enter_context(json_lines(self._out, stem, self._compression))
        return lines, stack.enter_context(csv_table(self._out / f"{stem}.csv", LIST_COLUMNS))
