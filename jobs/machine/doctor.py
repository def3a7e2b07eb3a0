"""What the machine, the settings and the store lack before a night can run. Starts no Spark session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Final

import msgspec

from contracts.errors import EnvironmentUnfit, LarderError, SettingsError
from contracts.settings import Settings
from export.stores.opening import store_of
from jobs.machine.jars import jar_folder, jar_paths
from jobs.machine.java import java_release
from jobs.paths import layout_of

# A night stages its tables beside yesterday's; the demo's root is under 1 GB.
LEAST_FREE_BYTES: Final = 2 * 1024**3


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one check.

    Attributes:
        check: what was looked at: java, jars, disk, settings or store.
        ok: whether a night can run as far as this check knows.
        what: what was found.
        where: the file, folder, program or setting it was found in.
        todo: the next step, empty where `ok`.
    """

    check: str
    ok: bool
    what: str
    where: str
    todo: str = ""


def examine(settings: Settings) -> list[Finding]:
    """One finding a check, in the order java, jars, disk, settings, store; a failed check does not hide the others."""
    checks: dict[str, Callable[[Settings], tuple[str, str]]] = {
        "java": _java,
        "jars": _jars,
        "disk": _disk,
        "settings": _settings,
        "store": _store,
    }
    return [_finding(name, check, settings) for name, check in checks.items()]


def _finding(name: str, check: Callable[[Settings], tuple[str, str]], settings: Settings) -> Finding:
    try:
        what, where = check(settings)
    except LarderError as error:
        return Finding(check=name, ok=False, what=error.what, where=error.where, todo=error.todo)
    except OSError as error:
        where = str(error.filename or settings.root)
        return Finding(
            check=name, ok=False, what=f"It cannot be read: {error.strerror}.", where=where, todo="Make it readable."
        )
    return Finding(check=name, ok=True, what=what, where=where)


def _java(_: Settings) -> tuple[str, str]:
    return f"Java {java_release()} runs.", "java"


def _jars(settings: Settings) -> tuple[str, str]:
    paths = jar_paths(settings.spark.jars)
    return f"The {len(paths)} Delta jars are those of the release.", str(jar_folder(settings.spark.jars))


def _disk(settings: Settings) -> tuple[str, str]:
    root = layout_of(settings).root
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise EnvironmentUnfit(
            "The root folder cannot be written.", where=str(there), todo="Make it writable, or name another --root."
        )
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        raise EnvironmentUnfit(
            f"Only {_gigabytes(free)} are free; a night needs {_gigabytes(LEAST_FREE_BYTES)}.",
            where=str(there),
            todo="Free space, or name a --root on another disk.",
        )
    return f"{_gigabytes(free)} are free.", str(there)


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1024**3:.1f} GiB"


def _settings(settings: Settings) -> tuple[str, str]:
    unknown = sorted(set(settings.gates.min_ndcg) - set(settings.placements))
    if unknown or not settings.placements:
        raise SettingsError(
            f"gates.min_ndcg names placements that do not exist: {', '.join(unknown)}."
            if unknown
            else "No placement is set, so a night would make no list.",
            where="gates.min_ndcg" if unknown else "placements",
            todo=f"The placements are: {', '.join(settings.placements) or 'none'}; correct the settings file.",
        )
    return f"Shop {settings.shop.name}, placements {', '.join(settings.placements)}.", "settings"


def _store(settings: Settings) -> tuple[str, str]:
    store = store_of(settings.store, layout_of(settings))
    pointer = store.pointer()
    if pointer is None:
        return "Nothing is published yet; `larder night` publishes the first snapshot.", store.where
    manifest = store.verify(pointer.snapshot)
    return f"Snapshot {manifest.snapshot_id} is current and agrees with its manifest.", store.where
