from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from typer.main import get_command

from contracts import tables
from export.reasons import TEXTS
from export.stores.dynamodb.items import LETTERS
from jobs.cli import app

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCED: Final = re.compile(r"```.*?```", re.DOTALL)
WITH_A_VALUE: Final = {"--root", "--config"}


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may name, as GitHub makes it."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-")
        found.append(f"{slug}-{n}" if (n := sum(re.sub(r"-\d+$", "", one) == slug for one in found)) else slug)
    return set(found)


def verbs(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Each verb with the options that it takes."""
    for word, inner in getattr(command, "commands", {}).items():
        yield from verbs(inner, (*name, word))
    yield name, {option for param in command.params for option in (*param.opts, *param.secondary_opts)}


VERBS: Final = dict(verbs(get_command(app)))


def calls(page: Path) -> Iterator[list[str]]:
    """The words after `larder` wherever the page shows the command, without the options that stand before the verb."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"(?:^|[ `(/])larder((?: +[^\s`|;&()#>]+)+)", text, re.MULTILINE):
        words = line.split()
        while words and words[0].startswith("--"):
            words = words[2 if words[0] in WITH_A_VALUE else 1 :]
        if words and (words[0],) in VERBS:
            yield words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository, or to a heading, finds it."""
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (heading and heading not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_options_in_examples_exist() -> None:
    """An option that a page shows with a verb is one of that verb."""
    wrong = []
    for page in PAGES:
        for words in calls(page):
            verb = tuple(words[:2]) if tuple(words[:2]) in VERBS else (words[0],)
            given = {re.split(r"[=.,:]", word)[0] for word in words if re.match(r"--?[a-z]", word)}
            wrong += [(page.name, *verb, option) for option in sorted(given - VERBS[verb] - VERBS[()])]
    assert wrong == []


def test_every_verb_and_option_is_told() -> None:
    """No verb and no option is known to `--help` alone."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    names = [" ".join(verb) for verb in VERBS if verb]
    untold = [name for name in names if not re.search(rf"larder[^\n`]* {name}\b|`{name}`", text)]
    options = {option for taken in VERBS.values() for option in taken if option.startswith("--")}
    untold += [option for option in sorted(options) if not re.search(rf"{option}(?![\w-])", text)]
    assert untold == []


def test_the_runbook_has_the_steps_to_run_by_hand() -> None:
    """Whoever repairs a night finds each verb that is a step of it."""
    panel = "One step of the night, as of a date"
    steps = {name for name, verb in get_command(app).commands.items() if verb.rich_help_panel == panel}  # type: ignore[attr-defined]
    assert {"flag-users", "log-slots"} <= steps
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert sorted(name for name in steps if f"`{name}`" not in runbook) == []


def test_every_table_is_told() -> None:
    """The analyst's page has a line for each table of the lake."""
    rows = re.findall(r"^\| (`[^|]+) \|", (ROOT / "docs" / "analyst.md").read_text(encoding="utf-8"), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert [table.name for table in tables.ALL if table.name not in told] == []


def test_the_glossary_is_in_order() -> None:
    """Each word stands once, where the alphabet puts it."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = [word.lower() for word in re.findall(r"^\| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE)][1:]
    assert words == sorted(set(words))


def test_every_reason_is_told() -> None:
    """The web engineer's page has the text of each source, the stores' page its letter in DynamoDB."""
    web, stores = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("web.md", "stores.md"))
    rows = {source: re.compile(rf"^\|.*`{source}`.*{text.plain}", re.MULTILINE) for source, text in TEXTS.items()}
    assert [source for source, row in rows.items() if not row.search(web)] == []
    assert [source for source, letter in LETTERS.items() if f" {letter} {source}" not in stores] == []
