"""Who is mailed: all users or those given, without the suppressed and those who did not consent, each once, by id."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from contracts.errors import InputInvalid
from export.digest import inputs
from export.digest.lines import Input
from export.digest.sorting import Beside, Row, sorted_rows
from export.stores.base import Reader

NO_CONSENT: Final = "no_consent"
NO_ADDRESS: Final = "no_address"
TOO_FEW_ITEMS: Final = "too_few_items"
Role = Literal["recipients", "suppression", "consent", "addresses", "sends"]


@dataclass(frozen=True, slots=True)
class Files:
    """What the email team gives; nothing is asked where nothing is given.

    Attributes:
        recipients: users to consider; None for all of the snapshot.
        suppression: users who get no mail; a file's name without suffix is the reason.
        consent: the users who may be mailed.
        addresses: mail address by user.
        sends: what was mailed when, and whether it was clicked.
    """

    recipients: Path | None = None
    suppression: tuple[Path, ...] = ()
    consent: Path | None = None
    addresses: Path | None = None
    sends: Path | None = None

    def reasons(self) -> dict[str, Path]:
        """The suppression files by reason.

        Raises:
            InputInvalid: two have one name, or one has the name of another reason.
        """
        found: dict[str, Path] = {}
        for path in self.suppression:
            if path.stem in {*found, NO_CONSENT, NO_ADDRESS, TOO_FEW_ITEMS}:
                raise InputInvalid(
                    f"The reason {path.stem!r} would be counted for two things",
                    where=str(path),
                    todo="Rename the file: its name without suffix is the reason.",
                )
            found[path.stem] = path
        return found


@dataclass(frozen=True, slots=True)
class Candidate:
    """A user who may be mailed; the address is empty where none were given."""

    user_id: str
    email: str
    sends: list[Row]


@dataclass(slots=True)
class Audience:
    """The users who may be mailed, walked once.

    Attributes:
        n_considered: users seen.
        dropped: users dropped, by the first reason that holds.
    """

    snapshot: Reader
    files: Files
    folder: Path
    n_considered: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    _beside: dict[tuple[Role, str], Beside] = field(default_factory=dict)

    def candidates(self) -> Iterator[Candidate]:
        """Each user who may be mailed, ascending by user id. Memory does not grow with their number.

        Raises:
            InputMissing: a file is not there.
            InputInvalid: a file cannot be read.
            SnapshotCorrupt: a record is damaged, so that its user would be lost.
        """
        reasons = {reason: self._open("suppression", path) for reason, path in self.files.reasons().items()}
        consent = self._open("consent", self.files.consent)
        addresses = self._open("addresses", self.files.addresses)
        sends = self._open("sends", self.files.sends)
        for user in self._users():
            self.n_considered += 1
            found = [reason for reason, rows in reasons.items() if rows is not None and rows.rows_of(user)]
            answers = {row[1] for row in consent.rows_of(user)} if consent is not None else {"yes"}
            emails = addresses.rows_of(user) if addresses is not None else [(user, "")]
            mailed = sends.rows_of(user) if sends is not None else []
            if found:
                self.dropped[found[0]] += 1
            elif answers != {"yes"}:
                self.dropped[NO_CONSENT] += 1
            elif not emails:
                self.dropped[NO_ADDRESS] += 1
            else:
                yield Candidate(user, _one_address(user, emails, self.files.addresses), mailed)

    def inputs(self, more: Mapping[str, Path]) -> list[Input]:
        """The files with their hashes and how many users of the digest stand in each; complete after the walk.

        Args:
            more: files of other roles, which list no users.
        """
        named = [("recipients", self.files.recipients, self.n_considered)] if self.files.recipients else []
        walked = [(role, Path(path), rows.n_matched) for (role, path), rows in self._beside.items()]
        others = [(role, path, None) for role, path in more.items()]
        return [
            Input(role=role, name=path.name, sha256=_sha256(path), users_matched=n)  # type: ignore[arg-type]
            for role, path, n in (*named, *walked, *others)
        ]

    def _users(self) -> Iterator[str]:
        given = self.files.recipients
        everyone: Iterable[Row] = ((user,) for user in self.snapshot.user_ids())
        rows = everyone if given is None else inputs.user_rows(given)
        return (row[0] for row in sorted_rows(rows, self.folder / "users"))

    def _open(self, role: Role, path: Path | None) -> Beside | None:
        if path is None:
            return None
        read = {
            "suppression": inputs.user_rows,
            "consent": inputs.consent_rows,
            "addresses": inputs.address_rows,
            "sends": inputs.send_rows,
        }[role]
        beside = Beside(sorted_rows(read(path), self.folder / f"{role}-{len(self._beside)}"))
        self._beside[role, str(path)] = beside
        return beside


def _one_address(user: str, rows: Sequence[Row], path: Path | None) -> str:
    if len(rows) > 1:
        raise InputInvalid(f"User {user!r} has {len(rows)} addresses", where=str(path), todo="Give one address a user.")
    return rows[0][1]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
