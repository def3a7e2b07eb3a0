"""The places below a root that name users beside the lake and the store, and what of them cannot be reached."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from contracts.layout import Layout
from export.blessing import Blessing, read_blessing, write_blessing
from export.erasing import digests, snapshots
from export.erasing.rows import SUFFIXES, take_rows
from export.format.manifest import FILE_NAME, Manifest
from export.reading.last_good import LastGood
from export.reading.tally import Tally
from jobs.publishing.serve_lists import LAST_GOOD

TYPED: Final = frozenset({"lake", "landing", "artifacts", "store", "staging", "digests", "erased"})
"""Folders that are searched by what their files hold, or hold no ids: not byte by byte."""
PACKED: Final = (".jsonl.zst", ".csv.zst", ".parquet")
"""Files whose rows are looked at, because their bytes do not show what they hold."""
SHORTEST: Final = 3
"""Shorter ids than that are not searched for in texts: they stand in every number."""


def take_out_staged(layout: Layout, users: Collection[str]) -> int:
    """Records taken out of the staged snapshots; a blessing of one then names what is left of it."""
    n = 0
    for directory in sorted((layout.root / "staging").glob(f"*/{FILE_NAME}")):
        blessing = layout.blessings / f"{directory.parent.name}.json"

        def bless(old: Manifest, new: Manifest, path: Path = blessing) -> None:
            if path.exists() and (found := read_blessing(path)).manifest_sha256 == old.sha256:
                made: Blessing = replace(found, manifest_sha256=new.sha256)
                write_blessing(path, made)

        n += snapshots.take_out(directory.parent, users, before_manifest=bless)
        snapshots.sweep(directory.parent)
    return n


def take_out_digests(folders: Collection[Path], users: Collection[str]) -> int:
    """Recipients taken out of the digests below these folders."""
    found = [folder for root in folders for folder in digests.digest_folders(root)]
    return sum(digests.take_recipients(folder, users) for folder in found)


def drop_previews(layout: Layout) -> int:
    """Files of rendered mails deleted: `larder digest preview` makes them again."""
    folder = layout.root / "previews"
    n = sum(path.is_file() for path in folder.rglob("*"))
    shutil.rmtree(folder, ignore_errors=True)
    return n


def drop_pages(layout: Layout) -> int:
    """Night reports deleted, which name the users served best and worst: `larder report` writes them again."""
    pages = list((layout.root / "reports").glob("night-*.html"))
    for page in pages:
        page.unlink()
    return len(pages)


def forget_kept(layout: Layout) -> int:
    """Lists forgotten that a reader on this machine kept for the time the store is away, whoever's they were."""
    path = layout.root / LAST_GOOD
    if not path.exists():
        return 0
    return LastGood(path, n_answers=0, tally=Tally()).forget()


def take_out_rows(paths: Collection[Path], users: Collection[str], *, is_dry: bool) -> dict[str, int]:
    """Rows taken out of each file that has some, or counted only."""
    found = {str(path): take_rows(path, users, is_dry=is_dry) for path in paths}
    return {path: n for path, n in found.items() if n}


def landing_files(layout: Layout) -> Iterator[Path]:
    """The data files that landed, of events, users and outcomes."""
    for feed in ("events", "users", "outcomes"):
        yield from (path for path in sorted(layout.landing(feed).rglob("*")) if path.suffix in SUFFIXES)


def left_in_texts(layout: Layout, users: Collection[str]) -> list[str]:
    """Other files below the root that name one of the users in a row, or in a text as a whole word; each is left."""
    tops = [path for path in sorted(layout.root.iterdir()) if path.name not in TYPED]
    paths = [path for top in tops for path in (sorted(top.rglob("*")) if top.is_dir() else [top]) if path.is_file()]
    packed = {path for path in paths if path.name.endswith(PACKED)}
    found = [path for path in sorted(packed) if take_rows(path, users, is_dry=True)]
    words = [re.escape(user.encode("utf-8", "surrogatepass")) for user in users if len(user) >= SHORTEST]
    if words:
        pattern = re.compile(rb"(?<![\w-])(?:" + b"|".join(words) + rb")(?![\w-])")
        found += [path for path in paths if path not in packed and pattern.search(path.read_bytes())]
    return [str(path) for path in found]
