"""Verbs of the email team: the digest's files, and the mail as it will look. None of them starts a Java process."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from contracts.errors import InputInvalid
from jobs.commands.invocation import Answer, Invocation, answer_of, command

if TYPE_CHECKING:
    from jobs.mailing.write_digest import Request

PANEL: Final = "Read and serve: the web engineer, the email team"
KEY_VARIABLE: Final = "DIGEST_KEY"
Run = Callable[..., None]

AsOf = Annotated[
    dt.datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], metavar="DATE", show_default="the lists served now",
                 help="Lists of that date, if they are still in the store."),
]  # fmt: skip
SendOn = Annotated[
    dt.datetime | None,
    typer.Option("--send-on", formats=["%Y-%m-%d"], metavar="DATE", show_default="the day after the lists'",
                 help="The day of the mail; what was mailed before it is remembered."),
]  # fmt: skip
Placements = Annotated[
    list[str] | None,
    typer.Option("--placement", metavar="NAME", show_default="digest.placements",
                 help="Whose lists; may be given more than once."),
]  # fmt: skip
K = Annotated[int | None, typer.Option("-k", metavar="N", show_default="digest.k", help="Items a mail, at most.")]
Unavailable = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Items that cannot be had (item_id), beside the eligibility overlay."),
]
Region = Annotated[str | None, typer.Option(metavar="NAME", help="Whose flags of the overlay hold too.")]
Out = Annotated[
    str | None,
    typer.Option("--out", metavar="DIR|s3://", show_default="digests/DATE of the root",
                 help="Where to; each placement has a folder of its own in it."),
]  # fmt: skip
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="Also personalize, ses, braze or klaviyo, in the shape of each."),
]
Plain = Annotated[bool, typer.Option("--plain", help="JSON lines that are not compressed.")]
Recipients = Annotated[
    Path | None, typer.Option(metavar="FILE", show_default="all users", help="Whom to consider (user_id).")
]
Suppress = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Who gets no mail (user_id); the file's name is the reason. Any number."),
]
Consent = Annotated[Path | None, typer.Option(metavar="FILE", help="Who may be mailed (user_id[, consent]).")]
Addresses = Annotated[Path | None, typer.Option(metavar="FILE", help="Mail addresses (user_id, email).")]
Sends = Annotated[
    Path | None, typer.Option(metavar="FILE", help="What was mailed (user_id, item_id, sent_on[, clicked]).")
]
CampaignName = Annotated[
    str, typer.Option("--campaign", metavar="NAME",
                      help="Keep reading this snapshot, whatever is flipped, until --unpin."),
]  # fmt: skip
Unpin = Annotated[bool, typer.Option("--unpin", help="End the campaign; nothing is written.")]
User = Annotated[str | None, typer.Option("--user", metavar="USER", help="Whose mail.")]
Sample = Annotated[
    int, typer.Option("--sample", min=0, max=200, metavar="N", help="An index of N mails, the hard cases first.")
]
Folder = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", show_default="previews of the root", help="Where to.")
]


class _Callback:
    """Takes the place of the app that a verb is registered in: the verb is what the group does without a subcommand."""

    def __init__(self, group: typer.Typer) -> None:
        self._group = group

    def command(self, _name: str, *, help: str, rich_help_panel: str) -> Callable[[Run], Run]:  # noqa: A002  typer's word
        del rich_help_panel

        def register(run: Run) -> Run:
            @functools.wraps(run)
            def unless_more(ctx: typer.Context, **given: Any) -> None:
                if ctx.invoked_subcommand is None:
                    run(ctx, **given)
                else:
                    shared = {name: given[name] for name in ("config", "root", "as_json", "is_verbose")}
                    ctx.obj = (ctx.obj if isinstance(ctx.obj, Invocation) else Invocation()).over(**shared)

            self._group.callback(invoke_without_command=True, help=help)(unless_more)
            return run

        return register


def add_to(app: typer.Typer) -> None:
    """Registers the verbs."""
    group = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.add_typer(group, name="digest", rich_help_panel=PANEL)
    command(cast("typer.Typer", _Callback(group)), "digest", panel=PANEL, is_working=True)(digest)
    command(group, "preview", panel=PANEL, is_working=True)(preview)


def digest(
    invocation: Invocation,
    placement: Placements = None,
    as_of: AsOf = None,
    out: Out = None,
    k: K = None,
    output_format: Format = None,
    is_plain: Plain = False,  # noqa: FBT002  typer reads the options from the arguments
    recipients: Recipients = None,
    suppress: Suppress = None,
    consent: Consent = None,
    addresses: Addresses = None,
    sends: Sends = None,
    unavailable: Unavailable = None,
    region: Region = None,
    send_on: SendOn = None,
    campaign: CampaignName = "",
    is_ended: Unpin = False,  # noqa: FBT002
) -> Answer:
    """The email team's files: lists as JSON lines and CSV, the items, the holdout, a manifest written last.

    With DIGEST_KEY in the environment each slot has a tracking id: 16 to 64 bytes of chance that you keep.
    """
    from export.digest.audience import Files
    from jobs.mailing import write_digest

    act = write_digest.Act(by=invocation.id, at=invocation.now().isoformat(timespec="seconds"))
    if is_ended:
        return Answer(write_digest.end_campaign(invocation.settings(), campaign, act=act))
    files = Files(
        recipients=recipients, suppression=tuple(suppress or ()), consent=consent, addresses=addresses, sends=sends
    )
    request = _request(invocation, placement, k=k, unavailable=unavailable, region=region, send_on=send_on)
    request = dataclasses.replace(request, files=files, campaign=campaign, format=output_format, is_plain=is_plain)
    day = None if as_of is None else invocation.day(as_of)
    return answer_of(write_digest.run(invocation.settings(), as_of=day, out=out, request=request, act=act))


def preview(
    invocation: Invocation,
    user: User = None,
    sample: Sample = 0,
    placement: Placements = None,
    as_of: AsOf = None,
    out: Folder = None,
    k: K = None,
    unavailable: Unavailable = None,
    region: Region = None,
    send_on: SendOn = None,
) -> Answer:
    """The mail as it will look: HTML, plain text and a mail file of one user, or an index of many.

    Hard cases are the longest title, no image, a cold-start user, right-to-left text and a hostile title.
    """
    from jobs.mailing import preview_mail

    if (user is None) == (not sample):
        raise InputInvalid("One of --user and --sample is needed", where="--user", todo="Give just one of them.")
    request = _request(invocation, placement, k=k, unavailable=unavailable, region=region, send_on=send_on)
    day = None if as_of is None else invocation.day(as_of)
    report = preview_mail.run(invocation.settings(), as_of=day, user=user, sample=sample, out=out, request=request)
    return answer_of(report)


def _request(
    invocation: Invocation,
    placements: list[str] | None,
    *,
    k: int | None,
    unavailable: Path | None,
    region: str | None,
    send_on: dt.datetime | None,
) -> Request:
    """What both verbs can be asked; the key comes from the environment and goes nowhere else.

    Raises:
        InputInvalid: the key is too short or too long.
    """
    from export.digest import keys
    from jobs.mailing.write_digest import Request

    text = invocation.environment.get(KEY_VARIABLE, "")
    return Request(
        placements=tuple(placements or ()),
        k=k,
        unavailable=unavailable,
        region=region,
        send_on=None if send_on is None else send_on.date(),
        key=keys.key_of(text, where=f"the variable {KEY_VARIABLE}") if text else None,
    )
