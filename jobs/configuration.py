"""Which settings file and root a command or a Dagster run works with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contracts import settings as contract
from contracts.settings import Settings

FILE_NAME: Final = "larder.toml"
CONFIG: Final = "LARDER_CONFIG"
FIRST_DAY: Final = "LARDER_FIRST_DAY"


def configured(environment: Mapping[str, str], *, config: Path | None = None, root: str | None = None) -> Settings:
    """The settings of the first that is there: `config`, LARDER_CONFIG, `root`/larder.toml, ./larder.toml, defaults.

    Args:
        environment: variables; LARDER_SECTION__KEY overrides a key of the file.
        config: a settings file.
        root: the root folder; overrides the file's.

    Raises:
        SettingsError: unreadable file, unknown key, wrong type or value out of range.
    """
    file = file_of(environment, config=config, root=root)
    ours = {name: value for name, value in environment.items() if name not in (CONFIG, FIRST_DAY)}
    return contract.load(file, ours, root=root)


def file_of(environment: Mapping[str, str], *, config: Path | None = None, root: str | None = None) -> Path | None:
    """The settings file that `configured` reads; None where there is none."""
    named = environment.get(CONFIG)
    return config or (Path(named) if named else _found(root or environment.get("LARDER_ROOT")))


def _found(root: str | None) -> Path | None:
    candidates = ([Path(root) / FILE_NAME] if root else []) + [Path(FILE_NAME)]
    return next((path for path in candidates if path.is_file()), None)
