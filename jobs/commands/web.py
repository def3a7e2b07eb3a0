"""Verbs of the web engineer: the endpoint, what must not show, and who reads a new snapshot first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from contracts.errors import InputInvalid
from jobs.commands.invocation import Answer, Invocation, answer_of, command

if TYPE_CHECKING:
    from rich.console import Console

    from export.reading.overlay import Flag
    from export.stores.state import Pointer

PANEL: Final = "Read and serve: the web engineer, the email team"
CARE: Final = "Care: the on-call engineer"
KEY: Final = "SERVE_API_KEY"
_FILES: Final = "One id a line, or a table with a column item_id. NORTH=FILE flags a region. Can be repeated."


def add_to(app: typer.Typer) -> None:
    """Registers the verbs."""
    command(app, "serve", panel=PANEL)(serve)
    command(app, "overlay", panel=PANEL)(overlay)
    command(app, "rollout", panel=CARE)(rollout)


def serve(
    invocation: Invocation,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's need SERVE_API_KEY.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    per_second: Annotated[float, typer.Option(min=0, help="Requests a second of one client; 0 for no limit.")] = 2000,
    cache_seconds: Annotated[int, typer.Option(min=0, help="A fresh list may be kept by its reader for so long.")] = 60,
) -> Answer:
    """The lists over HTTP, until the process is told to end: one user's, many users', health, metrics, OpenAPI.

    Where the variable SERVE_API_KEY is set, requests must bring it as X-API-Key.
    """
    from jobs.publishing import serve_lists

    def ready(url: str) -> None:
        typer.echo(f"serving {url}/docs", err=True)

    endpoint = serve_lists.Endpoint(
        host=host,
        port=port,
        api_key=invocation.environment.get(KEY) or None,
        per_second=per_second,
        cache_seconds=cache_seconds,
    )
    seconds = serve_lists.run(invocation.settings(), endpoint, now=invocation.now, on_ready=ready)
    return Answer({"served_seconds": round(seconds, 1)})


def overlay(
    invocation: Invocation,
    hidden: Annotated[list[str] | None, typer.Option("--hidden", metavar="FILE", help=_FILES)] = None,
    out_of_stock: Annotated[list[str] | None, typer.Option("--out-of-stock", metavar="FILE", help="As above.")] = None,
    recalled: Annotated[list[str] | None, typer.Option("--recalled", metavar="FILE", help="As above.")] = None,
    from_catalogue: Annotated[  # noqa: FBT002  typer reads the options from the arguments
        bool,
        typer.Option("--from-catalogue", help="Also what the newest landed catalogue has not; so without any file."),
    ] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Flag nothing any more.")] = False,  # noqa: FBT002
    max_share: Annotated[
        float, typer.Option(min=0, max=1, help="Refuse to flag more than this share of the snapshot's items.")
    ] = 0.5,
) -> Answer:
    """Items that must not show from now on, whatever the night said: one small file in place of the last one.

    Readers heed it within seconds, and serve the next best items instead.
    """
    from jobs.publishing import publish_overlay

    given: dict[Flag, list[str]] = {
        "hidden": hidden or [], "out_of_stock": out_of_stock or [], "recalled": recalled or [],
    }  # fmt: skip
    is_any = any(given.values())
    if clear and (is_any or from_catalogue):
        raise InputInvalid("Nothing can be flagged and cleared at once", where="--clear", todo="Give one of the two.")
    return answer_of(
        publish_overlay.run(
            invocation.settings(),
            files=_by_column(given),
            use_catalogue=from_catalogue or not (is_any or clear),
            max_share=max_share,
            at=invocation.now(),
        )
    )


def _by_column(given: dict[Flag, list[str]]) -> dict[Any, list[Path]]:
    from export.reading.overlay import Column

    found: dict[Any, list[Path]] = {}
    for flag, names in given.items():
        for name in names:
            region, _, path = ("", "", name) if Path(name).exists() else name.rpartition("=")
            found.setdefault(Column(flag, region), []).append(Path(path))
    return found


def rollout(
    invocation: Invocation,
    exposure: Annotated[int, typer.Option(help="Percent of the users who read it: 0, 5, 10, 25, 50 or 100.")],
    snapshot: Annotated[
        str | None,
        typer.Option("--snapshot", metavar="ID", help="A published one; the present canary if left out."),
    ] = None,
    shadow: Annotated[
        str | None,
        typer.Option("--shadow", metavar="ID", help="Computed and compared, never served; `none` ends it."),
    ] = None,
    salt: Annotated[
        str | None, typer.Option(help="Another salt draws other users; the canary's id if left out.")
    ] = None,
    interleave: Annotated[  # noqa: FBT002  typer reads the options from the arguments
        bool, typer.Option("--interleave", help="Those users read both snapshots' items in one list, told apart.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "asked for by hand",
    override: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Why users may read it without a blessing or against the parity check."),
    ] = None,
) -> Answer:
    """Let a share of the users read another snapshot than the current one: one compare-and-swap of the pointer.

    Who reads it at 10 % still does at 25 %. At 0 nobody does, and the canary is given up. `larder flip` makes it
    everybody's. With --interleave those users read one list drafted from both, and `larder outcomes` tells which
    snapshot's items they prefer. As for a flip, a snapshot that nobody reads yet needs a blessing and the parity check.
    """
    from jobs.publishing import move_channels

    wanted = move_channels.Wanted(exposure=exposure, snapshot=snapshot, shadow=shadow, salt=salt, interleave=interleave)
    at = invocation.now()
    return _answer_of_channels(
        move_channels.run(invocation.settings(), wanted, at=at, by=invocation.id, reason=reason, override=override)
    )


def _answer_of_channels(moved: Pointer) -> Answer:
    channels = moved.channels
    facts = {"snapshot": moved.snapshot, **msgspec.to_builtins(channels), "last": msgspec.to_builtins(moved.last)}

    def show(console: Console) -> None:
        from jobs.commands.screens import show_pairs

        how = "the stable list interleaved with " if channels.interleave else ""
        canary = f"{channels.exposure} % of the users read {how}{channels.canary}" if channels.canary else "none"
        show_pairs(console, {"stable": moved.snapshot, "canary": canary, "shadow": channels.shadow or "none"})

    return Answer(facts, show)
