from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.settings import EventType, OwnRanker, Placement, Settings

PAGE: Final = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
OF_NAMES: Final = {
    "shop.event_types.WORD": EventType, "placements.NAME": Placement, "ranker.placements.NAME": OwnRanker,
}  # fmt: skip
YOURS: Final = {"shop.event_types", "placements"}  # tables by name, shown in a block of their own
OWN: Final = {"ranker.placements"}  # none by default, and a section of the page
REQUIRED: Final = "required"
INHERITED: Final = "inherited"


def documented() -> dict[str, Any]:
    """Default by dotted key, as the page's tables say."""
    found: dict[str, Any] = {}
    section = ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            heading = re.fullmatch(r"## \[(.+)\]", line)
            section = f"{heading[1]}." if heading else ""
        row = re.match(r"\| `(\w+)` \| (?:`(.+?)`|(\w[\w ]*)) \| ([^|]+) \| ([^|]+) \|$", line)
        if row and row[2] is not None:
            found[section + row[1]] = tomllib.loads(f"value = {row[2]}")["value"]
        elif row:
            found[section + row[1]] = row[3]
    return found


def declared(kind: Any, prefix: str = "") -> dict[str, Any]:
    """Default by dotted key, as the settings say."""
    found: dict[str, Any] = {}
    for entry in msgspec.structs.fields(kind):
        key = prefix + entry.name
        if isinstance(entry.default, msgspec.Struct):
            found |= declared(type(entry.default), f"{key}.")
        elif entry.default is msgspec.UNSET:
            found[key] = INHERITED
        elif entry.default is not msgspec.NODEFAULT:
            found[key] = msgspec.to_builtins(entry.default)
        elif entry.default_factory is not msgspec.NODEFAULT:
            found[key] = msgspec.to_builtins(entry.default_factory())
        else:
            found[key] = REQUIRED
    return found


def test_the_page_has_every_key_with_its_default() -> None:
    """Keys and defaults of docs/settings.md are those of the settings: none is missing, stale or different."""
    wanted = {key: value for key, value in declared(Settings).items() if key not in YOURS | OWN}
    for section, kind in OF_NAMES.items():
        wanted |= declared(kind, f"{section}.")
    shown = documented()
    assert shown.pop("shop.event_types") == "see below"
    assert {key: list(value) if isinstance(value, tuple) else value for key, value in wanted.items()} == shown


def test_the_tables_by_name_have_their_default() -> None:
    """The block of event types and placements reads as the settings that no file gives."""
    (block,) = re.findall(r"```toml\n(.+?)```", PAGE, flags=re.DOTALL)
    assert set(tomllib.loads(block)) == {"shop", "placements"}
    assert msgspec.convert(tomllib.loads(block), Settings) == Settings()
