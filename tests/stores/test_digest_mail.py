from __future__ import annotations

import dataclasses
import datetime as dt
import email
import email.policy
import re
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hatchling.builders.wheel import WheelBuilder

from contracts.digest_section import Digest, Mail
from contracts.errors import InputInvalid, SettingsError
from export.digest import keys, links, rendering, samples
from export.digest.choosing import Chooser
from export.digest.rendering import Renderer
from export.digest.samples import mailing_of, pick
from export.digest.writing import Order
from export.stores.mapped import MappedReader

Build = Callable[..., Any]
ROOT = Path(__file__).parents[2]
KEY = b"0123456789abcdef"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \"q\" {{ 7*7 }} & 'r'</mj-text><mj-raw>"
ARABIC = "قميص قطني"
MAIL = Mail(
    sender="Corner <mail@corner.example>",
    unsubscribe_url="https://corner.example/u?t={token}",
    unsubscribe_address="stop@corner.example",
    price_format="€{price:.2f}",
)
ITEMS = pa.table(
    {
        "item_idx": pa.array([0, 1, 2, 3, 4], pa.int32()),
        "item_id": ["bread", "shirt", "h/1", "jam", "bare"],
        "title": ["Bread\nand\u202e butter", ARABIC, HOSTILE, "Jam " + "very " * 40 + "red", None],
        "category": ["Bakery", None, None, "Pantry", None],
        "price": [1.5, 19.0, None, 1234.5, None],
        "image_url": ["https://shop/b.png", "javascript:alert(3)", "http://shop/'x.png", "https://shop/j.png", None],
    }
)  # fmt: skip
FALLBACKS = pa.table(
    {
        "placement": ["home"],
        "segment": ["all"],
        "item_idx": pa.array([[0, 3]], pa.list_(pa.int32())),
        "scores": pa.array([[0.5, 0.25]], pa.list_(pa.float32())),
    }
)
BASE = {"placement": "home", "segment": "all", "reasons": [0], "anchors": [-1], "scores": [0.0]}
ROWS = [
    {**BASE, "user_id": "ann", "item_idx": [0]},
    {**BASE, "user_id": "bea", "item_idx": [1]},
    {**BASE, "user_id": "cat", "item_idx": [2]},
    {**BASE, "user_id": "dot", "item_idx": [3]},
    {**BASE, "user_id": "eve", "item_idx": [4]},
]


@pytest.fixture
def snapshot(tmp_path: Path, build: Build) -> MappedReader:
    """Five users with one item each, every one a hard case but the first."""
    build(tmp_path / "s", rows=ROWS, items=ITEMS, fallbacks=FALLBACKS)
    return MappedReader(tmp_path / "s")


def order(**given: Any) -> Order:
    """An order of the placement home, with a key."""
    rules = Digest(mail=given.pop("mail", MAIL), item_url="https://corner.example/p/{item_id}")
    return Order("home", rules, dt.date(2026, 1, 2), key=KEY, **given)


def rendered(snapshot: MappedReader, user: str, asked: Order | None = None) -> rendering.Rendered:
    """One user's mail."""
    asked = asked or order()
    chooser, campaign = Chooser(snapshot, "home", asked.rules, send_on=asked.send_on), asked.campaign_of(snapshot)
    renderer = Renderer(campaign, shop="Corner & Sons", send_on=asked.send_on)
    return renderer.render(mailing_of(chooser, campaign, user, chooser.choose(user)))


class Page(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self, html: str) -> None:
        """Reads the page."""
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text += data


def test_a_mail_has_both_parts_and_its_headers(snapshot: MappedReader) -> None:
    """As a mail program reads it: who, what, when, how to unsubscribe with one click, plain text before HTML."""
    made = rendered(snapshot, "ann")
    message = email.message_from_bytes(made.message, policy=email.policy.default)
    token = keys.unsubscribe_token(KEY, "ann")
    assert {name: str(message[name]) for name in ("From", "To", "Subject", "Date", "List-Unsubscribe-Post")} == {
        "From": "Corner <mail@corner.example>",
        "To": "undisclosed-recipients:;",
        "Subject": "Picked for you",
        "Date": "Fri, 02 Jan 2026 06:00:00 +0000",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert message["List-Unsubscribe"] == (
        f"<https://corner.example/u?t={token}>, <mailto:stop@corner.example?subject={token}>"
    )
    assert re.fullmatch(r"<[0-9a-f]{32}@corner\.example>", str(message["Message-ID"]))
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().splitlines() == made.text.splitlines()
    assert html.get_content().splitlines() == made.html.splitlines()
    assert b"\n" not in made.message.replace(b"\r\n", b"")
    assert b"\r\nList-Unsubscribe: <https://" in made.message
    assert max(map(len, made.message.splitlines())) < 998


def test_the_text_part_says_all_that_the_html_says(snapshot: MappedReader) -> None:
    """Exactly, with the title in one line and the slot's tracking id in the link."""
    slot = keys.tracking_ids(KEY, ("", snapshot.id, "home", "ann"), ["bread"])[0]
    assert rendered(snapshot, "ann").text == (
        "Corner & Sons\n\nPicked for you\nChosen from what you like, fresh today.\n\n"
        " 1. Bread and butter\n    You bought this before - €1.50\n"
        f"    https://corner.example/p/bread?slot={slot}\n\n"
        "--\nYou get this mail because you asked Corner & Sons for it.\n"
        "Prices and stock are those of 1 January 2026.\n"
        f"Unsubscribe: https://corner.example/u?t={keys.unsubscribe_token(KEY, 'ann')}\n"
    )


def test_a_hostile_title_is_text(snapshot: MappedReader) -> None:
    """It makes no element, attribute or template; it is read as it is written; the id cannot leave its path."""
    plain, made = Page(rendered(snapshot, "dot").html), rendered(snapshot, "cat")
    page = Page(made.html)
    assert "script" not in page.tags
    assert "mj-raw" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.tags.count("img") == plain.tags.count("img") - 1
    assert page.text.count(rendering.shortened(HOSTILE)) >= 1
    assert "49" not in page.text
    assert ("title", HOSTILE) in page.attributes
    assert HOSTILE in made.text
    hrefs = [value for name, value in page.attributes if name == "href" and value and "/p/" in value]
    assert hrefs
    assert all(value.startswith("https://corner.example/p/h%2F1?slot=t") for value in hrefs)


@pytest.mark.parametrize(
    "text",
    ["javascript:alert(1)", "data:text/html,x", "//shop/x.png", "https:///x", "http://shop/'x.png", "https://a b/", "x",
     "https://[/", "", None],
)  # fmt: skip
def test_what_is_no_web_address_is_no_link(text: str | None) -> None:
    """Images and pages alike; an http or https address is one."""
    assert links.web_url(text) is None
    assert links.web_url("https://shop/x.png?a=1&b=2") == "https://shop/x.png?a=1&b=2"


def test_an_item_without_an_image_has_a_tile(snapshot: MappedReader) -> None:
    """With the first letter of its title; so does one whose image address is no web address."""
    for user, letter in (("eve", "I"), ("bea", "ق"), ("cat", "S")):
        page = Page(rendered(snapshot, user).html)
        assert "img" not in page.tags
        assert any(value == "mark" for name, value in page.attributes if name == "class")
        assert letter in page.text
    assert "Item bare" in rendered(snapshot, "eve").text


def test_texts_are_made_fit_to_print() -> None:
    """One line, without controls and direction marks; joiners stay; a long title is cut at a word."""
    assert rendering.clean("a\r\nb\x00\u202ec  d") == "a b c d"
    assert rendering.clean(f"{ARABIC}\u200c{ARABIC} 👨\u200d👩") == f"{ARABIC}\u200c{ARABIC} 👨\u200d👩"
    assert rendering.shortened("x" * 72) == "x" * 72
    assert rendering.shortened("word, " * 20) == "word, " * 10 + "word…"
    assert rendering.shortened("x" * 90) == "x" * 71 + "…"


def test_a_second_rendering_gives_the_same_bytes(snapshot: MappedReader) -> None:
    """HTML, text and message; another user's message has another id."""
    assert rendered(snapshot, "ann") == rendered(snapshot, "ann")
    ids = {re.search(rb"Message-ID: (\S+)", rendered(snapshot, user).message) for user in ("ann", "bea")}
    assert len({found[1] for found in ids if found}) == 2


def test_a_new_user_is_told_that_the_list_is_popular(snapshot: MappedReader) -> None:
    """The headline claims nothing that is not so."""
    assert "Popular this month" in rendered(snapshot, "nobody").text
    assert "Picked for you\n" not in rendered(snapshot, "nobody").text


def test_a_template_of_the_shops_own_runs_in_a_sandbox(tmp_path: Path, snapshot: MappedReader) -> None:
    """It takes the place of ours; what reaches into Python, names what is not there, or is no MJML is an error."""
    own = dataclasses.replace(order(mail=Mail(**{**_fields(MAIL), "templates": str(tmp_path)})))
    (tmp_path / "mail.txt.jinja").write_text("{{ items | length }} item\n")
    assert rendered(snapshot, "ann", own).text == "1 item\n"
    for text in ("{{ ''.__class__.__mro__ }}", "{{ nothing_like_it }}", "{% for %}"):
        (tmp_path / "mail.txt.jinja").write_text(text)
        with pytest.raises(InputInvalid, match="cannot be rendered"):
            rendered(snapshot, "ann", own)
    (tmp_path / "mail.mjml.jinja").write_text("<p>no</p>")
    with pytest.raises(InputInvalid, match="no MJML"):
        rendered(snapshot, "ann", own)


def _fields(mail: Mail) -> dict[str, Any]:
    return {name: getattr(mail, name) for name in mail.__struct_fields__}


@pytest.mark.parametrize("url", ["", "http://corner.example/{token}", "https://corner.example/u", "mailto:{token}"])
def test_no_mail_without_a_way_out(snapshot: MappedReader, url: str) -> None:
    """The address to unsubscribe at is https and carries the token."""
    with pytest.raises(SettingsError, match="unsubscribe"):
        rendered(snapshot, "ann", order(mail=Mail(unsubscribe_url=url)))


def test_a_header_cannot_be_smuggled_in(snapshot: MappedReader) -> None:
    """A line break in subject or sender is refused."""
    for name in ("subject", "sender"):
        mail = Mail(**{**_fields(MAIL), name: "a@b.example\r\nBcc: all@shop.example"})
        with pytest.raises(SettingsError, match="header"):
            rendered(snapshot, "ann", order(mail=mail))


def test_the_sample_begins_with_the_hard_cases(snapshot: MappedReader) -> None:
    """Each once, the real ones of the snapshot where it has them."""
    asked = order()
    chooser = Chooser(snapshot, "home", asked.rules, send_on=asked.send_on)
    made = pick(snapshot, chooser, asked.campaign_of(snapshot), 20)
    assert [(one.case, one.mailing.chosen.user_id, one.is_made_up) for one in made[:5]] == [
        ("longest title", "dot", False),
        ("no image", "eve", False),
        ("cold-start user", "someone-new", False),
        ("right-to-left text", "bea", False),
        ("hostile title", "cat", False),
    ]
    assert [(one.case, one.mailing.chosen.user_id) for one in made[5:]] == [("ordinary", "ann")]
    assert len(pick(snapshot, chooser, asked.campaign_of(snapshot), 3)) == 3


def test_the_longest_title_is_that_of_all_who_were_scanned(tmp_path: Path, build: Build) -> None:
    """Whoever comes first in the scan: two users, each with the long title in turn."""
    for n, (long, short) in enumerate((("ann", "bea"), ("bea", "ann"))):
        rows = [{**BASE, "user_id": long, "item_idx": [3]}, {**BASE, "user_id": short, "item_idx": [0]}]
        build(tmp_path / f"s{n}", rows=rows, items=ITEMS, fallbacks=FALLBACKS)
        snapshot, asked = MappedReader(tmp_path / f"s{n}"), order()
        chooser = Chooser(snapshot, "home", asked.rules, send_on=asked.send_on)
        assert pick(snapshot, chooser, asked.campaign_of(snapshot), 9)[0].mailing.chosen.user_id == long


def test_a_hard_case_that_no_list_has_is_made_up_and_says_so(tmp_path: Path, build: Build) -> None:
    """A shop without right-to-left or hostile titles still sees how they would look."""
    build(tmp_path / "s", rows=ROWS[:1], items=ITEMS, fallbacks=FALLBACKS)
    snapshot, asked = MappedReader(tmp_path / "s"), order()
    campaign = asked.campaign_of(snapshot)
    made = pick(snapshot, Chooser(snapshot, "home", asked.rules, send_on=asked.send_on), campaign, 20)
    assert [(one.case, one.is_made_up) for one in made] == [
        ("longest title", False), ("cold-start user", False), ("right-to-left text", True), ("hostile title", True),
    ]  # fmt: skip
    renderer = Renderer(campaign, shop="Corner & Sons", send_on=asked.send_on)
    samples.write_samples(tmp_path / "out", made, renderer, shop="Corner & Sons", campaign=campaign)
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count("made-up title") == 2
    assert page.count("<iframe") == page.count("sandbox") == 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "index.html", *[f"mail-0{n}.{kind}" for n in range(1, 5) for kind in ("eml", "html", "txt")],
    ]  # fmt: skip
    assert "<script>" not in (tmp_path / "out" / "mail-04.html").read_text(encoding="utf-8")


def test_the_wheel_has_the_templates(tmp_path: Path) -> None:
    """All of them, so that an installed Larder can render a mail."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("export/digest/templates/")}
    assert {Path(name).name for name in names} == {"mail.mjml.jinja", "mail.txt.jinja", "index.html.jinja"}
