"""Users taken out of everything below the root and of the store, with a count of each place, and of what is left."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputInvalid
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from export.erasing.rows import SUFFIXES
from export.stores.opening import store_of
from jobs.erasing import lake_rows, places
from jobs.erasing.register import register_of
from jobs.paths import layout_of
from jobs.root_locks import alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for.

    Attributes:
        users: ids.
        reason: for the history and the register; names nobody.
        is_landing: whether the shop's landing files are written anew too.
        files: other files with a column `user_id`, such as what was mailed, that are written anew.
        digests: folders outside of the root with digests below them.
    """

    users: Collection[str]
    reason: str
    is_landing: bool = False
    files: Collection[Path] = ()
    digests: Collection[Path] = ()


def run(settings: Settings, request: Request, *, at: dt.datetime, by: str) -> JobReport:
    """What was erased by place, and `left_...` what still names a user; run again, it ends in the same state.

    It waits for the step of a night that runs, and the next step waits for it. The register is first: no ingest takes
    the users again. Staged snapshots and the store are next: whoever is publishing one of them is refused.

    Raises:
        InputInvalid: no user, no reason, a reason that names a user, or a file that cannot be searched.
        PublishRefused: another erasure of the store took the place of this one.
        LarderError: a place cannot be reached; those before it are done, and the next run does the rest.
    """
    layout, users = layout_of(settings), _checked(request)
    with alone(layout):
        return _erase(settings, layout, request, users, at=at, by=by)


def _erase(
    settings: Settings, layout: Layout, request: Request, users: list[str], *, at: dt.datetime, by: str
) -> JobReport:
    started = time.perf_counter()
    register, stamp = register_of(layout), at.astimezone(dt.UTC).isoformat(timespec="seconds")
    rows = {"users": len(users), "users_new": register.add(users, at=stamp, reason=request.reason)}
    rows["staged_records"] = places.take_out_staged(layout, users)
    store = store_of(settings.store, layout)
    hashes = {user: register.hash_of(user) for user in users}
    taken = store.erase(hashes, by=by, reason=request.reason, at=stamp)
    rows |= {"snapshots": len(taken), "snapshot_records": sum(taken.values())}
    rows |= {f"table_{name}": n for name, n in lake_rows.take_out(layout, users).items()}
    rows["digest_recipients"] = places.take_out_digests([layout.root / "digests", *request.digests], users)
    rows |= {"kept_lists": places.forget_kept(layout), "preview_files": places.drop_previews(layout)}
    rows["night_reports"] = places.drop_pages(layout)
    rows["file_rows"] = sum(places.take_out_rows(request.files, users, is_dry=False).values())
    landing = places.take_out_rows(list(places.landing_files(layout)), users, is_dry=not request.is_landing)
    rows["landing_rows"] = sum(landing.values()) if request.is_landing else 0
    left = _left(settings, layout, users, {} if request.is_landing else landing)
    return JobReport(
        job="erase_users",
        as_of=at.date(),
        rows={**rows, **{f"left_{name}": len(paths) for name, paths in left.items()}},
        details={"store": store.where, "is_done": not any(left.values()), **_told(left)},
        seconds=time.perf_counter() - started,
    )


def _checked(request: Request) -> list[str]:
    users = sorted({user for user in request.users if user})
    if not users:
        raise InputInvalid("Nobody is named", where="USER", todo="Name at least one user id.")
    if not request.reason.strip() or any(user in request.reason.split() for user in users):
        raise InputInvalid(
            "The reason is empty or names a user", where="--reason", todo="Give one such as a ticket's number."
        )
    if unknown := [str(path) for path in request.files if path.suffix not in SUFFIXES or not path.is_file()]:
        raise InputInvalid(f"Files that cannot be searched: {unknown}", where="--file", todo=f"Give {SUFFIXES}.")
    return users


def _left(settings: Settings, layout: Layout, users: Collection[str], landing: dict[str, int]) -> dict[str, list[str]]:
    """Files that still name a user, by what they are."""
    rules = settings.digest
    shops = [Path(name) for name in (rules.sends, *rules.suppression) if name]
    known = [path for path in shops if path.suffix in SUFFIXES and path.is_file()]
    return {
        "landing_files": sorted(landing),
        "shop_files": sorted(places.take_out_rows(known, users, is_dry=True)),
        "other_files": places.left_in_texts(layout, users),
    }


def _told(left: dict[str, list[str]]) -> dict[str, str]:
    return {f"left_{name}": "\n".join(f"  {path}" for path in paths) for name, paths in left.items() if paths}
