from __future__ import annotations

import datetime as dt
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from contracts.digest_section import Digest, Mail
from export.digest.choosing import Chooser
from export.digest.rendering import Renderer, shortened
from export.digest.samples import pick, write_samples
from export.digest.writing import Order
from export.snapshot import write_snapshot
from export.stores.mapped import MappedReader

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here to look at mails with")

HOSTILE = "<script>top.ran = 1</script><img src=x onerror='top.ran = 1'> \"q\" {{ 7*7 }}"
ARABIC = "قميص قطني أبيض"
TITLES = ["Bread", "Milk", ARABIC, HOSTILE, "Very" * 30, "Jam " + "and more jam " * 12, None]
N = len(TITLES)
ITEMS = pa.table(
    {
        "item_idx": pa.array(range(N), pa.int32()),
        "item_id": [f"i{n}" for n in range(N)],
        "title": TITLES,
        "category": ["Food"] * N,
        "price": [float(n) for n in range(N)],
        "image_url": ["http://127.0.0.1:9/x.png" if n % 2 else None for n in range(N)],
    }
)
FALLBACKS = pa.table(
    {
        "placement": ["email"],
        "segment": ["all"],
        "item_idx": pa.array([[0, 1]], pa.list_(pa.int32())),
        "scores": pa.array([[2.0, 1.0]], pa.list_(pa.float32())),
    }
)
USERS = pa.RecordBatch.from_pylist(
    [
        {"user_id": "ann", "placement": "email", "segment": "all", "item_idx": list(range(N)),
         "scores": [float(N - n) for n in range(N)], "reasons": [0] * N, "anchors": [-1] * N},
    ]
)  # fmt: skip
MAIL = Mail(unsubscribe_url="https://corner.example/u?t={token}")
RULES = Digest(mail=MAIL, item_url="https://corner.example/p/{item_id}")
WIDTHS = (320, 375, 600, 1280)
LOOK = """
const box = (e) => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom].map(Math.round); };
function look(frame) {
  const page = frame.contentDocument, all = (s) => [...page.querySelectorAll(s)];
  const names = all('a.name').map((a) => ({
    text: a.textContent, box: box(a), direction: getComputedStyle(a.parentElement).direction,
    cell: box(a.parentElement),
  }));
  return {
    name: frame.dataset.name, width: frame.clientWidth, scroll: page.documentElement.scrollWidth, names,
    scripts: all('script').length, handlers: all('[onerror],[onload],[onclick]').length,
    pictures: all('.tile, .photo img, .lead-photo img').map(box),
    unsubscribe: all('a[href^="https://corner.example/u?t=u"]').map(box), articles: all('article').map(box),
  };
}
window.ran = 0;
window.addEventListener('load', () => {
  const frames = [...document.querySelectorAll('iframe')];
  document.querySelector('#found').textContent = JSON.stringify({ran: window.ran, frames: frames.map(look)});
});
"""


def browse(page: Path, profile: Path) -> Any:
    """What the page's script found, in a headless browser that asks nothing of the network by itself."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
         f"--user-data-dir={profile}", "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, flags=re.DOTALL)
    assert found, done.stderr
    return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The mail of a user with every hard title, and the index, in frames of every width, as a browser sees them."""
    folder = tmp_path_factory.mktemp("mails")
    write_snapshot(
        folder / "s", lists=[USERS], fallbacks=FALLBACKS, items=ITEMS, as_of=dt.date(2026, 1, 1), shards=1,
        reasons=["own"], n_eligible_users=1,
    )  # fmt: skip
    snapshot = MappedReader(folder / "s")
    order = Order("email", RULES, dt.date(2026, 1, 2), key=b"0123456789abcdef")
    campaign = order.campaign_of(snapshot)
    samples = pick(snapshot, Chooser(snapshot, "email", RULES, send_on=order.send_on), campaign, 20)
    write_samples(
        folder, samples, Renderer(campaign, shop="Corner & Sons", send_on=order.send_on), shop="Corner & Sons",
        campaign=campaign,
    )  # fmt: skip
    frames = [
        f'<iframe data-name="{stem}" style="width:{width}px;height:900px;border:0" '
        f'srcdoc="{html.escape((folder / f"{stem}.html").read_text(encoding="utf-8"))}"></iframe>'
        for stem in ("mail-01", "index")
        for width in WIDTHS
    ]
    page = f'<!doctype html><meta charset="utf-8"><pre id="found"></pre>{"".join(frames)}<script>{LOOK}</script>'
    (folder / "look.html").write_text(page, encoding="utf-8")
    return browse(folder / "look.html", folder / "profile")


def mails(seen: Any) -> list[Any]:
    """The frames of the mail, by width."""
    found = [frame for frame in seen["frames"] if frame["name"] == "mail-01"]
    assert [frame["width"] for frame in found] == list(WIDTHS)
    return found


def test_nothing_of_a_hostile_title_runs(seen: Any) -> None:
    """No script, no handler, in no frame; the title is there to read."""
    assert seen["ran"] == 0
    assert [(frame["scripts"], frame["handlers"]) for frame in seen["frames"]] == [(0, 0)] * 8
    for frame in mails(seen):
        assert shortened(HOSTILE) in {name["text"] for name in frame["names"]}


def test_no_page_is_wider_than_its_window(seen: Any) -> None:
    """Mail and index, on a phone and on a desk, with a word of 120 letters in a title."""
    assert [frame["scroll"] for frame in seen["frames"]] == [*WIDTHS, *WIDTHS]


def test_the_best_item_is_alone_on_top_and_the_others_in_two_columns(seen: Any) -> None:
    """On a phone too: of seven items the second and third lie side by side, the fourth below the second."""
    for frame in mails(seen):
        tops = [picture[1] for picture in frame["pictures"]]
        lefts = [picture[0] for picture in frame["pictures"]]
        assert len(tops) == N
        assert tops[0] < tops[1] == tops[2] < tops[3] == tops[4] < tops[5] == tops[6]
        assert lefts[0] == lefts[1] == lefts[3] == lefts[5] < lefts[2] == lefts[4] == lefts[6]


def test_every_item_has_a_picture_of_one_height(seen: Any) -> None:
    """An image that does not load, and a tile where there is none, take the same place."""
    for frame in mails(seen):
        heights = {picture[3] - picture[1] for picture in frame["pictures"][1:]}
        assert heights == ({150} if frame["width"] < 480 else {200})
        assert all(picture[2] - picture[0] >= 110 for picture in frame["pictures"])


def test_right_to_left_titles_begin_at_the_right(seen: Any) -> None:
    """The others at the left, in one mail."""
    for frame in mails(seen):
        directions = {name["text"]: name["direction"] for name in frame["names"]}
        assert directions[ARABIC] == "rtl"
        assert directions["Bread"] == "ltr"
        (arabic,) = [name for name in frame["names"] if name["text"] == ARABIC]
        assert arabic["box"][2] == arabic["cell"][2]
        (bread,) = [name for name in frame["names"] if name["text"] == "Bread"]
        assert bread["box"][0] == bread["cell"][0]


def test_a_title_does_not_leave_its_card(seen: Any) -> None:
    """Long titles and long words are broken or cut within it."""
    for frame in mails(seen):
        assert len(frame["names"]) == N
        for name in frame["names"]:
            assert name["cell"][0] <= name["box"][0] <= name["box"][2] <= name["cell"][2]


def test_the_way_out_can_be_seen_and_touched(seen: Any) -> None:
    """One link to unsubscribe, at least 30 pixels high and 100 wide."""
    for frame in mails(seen):
        (box,) = frame["unsubscribe"]
        assert box[3] - box[1] >= 30
        assert box[2] - box[0] >= 100


def test_the_index_has_as_many_columns_as_fit(seen: Any) -> None:
    """One on a phone, three on a desk; all five hard cases are there."""
    columns = {
        frame["width"]: len({box[0] for box in frame["articles"]})
        for frame in seen["frames"]
        if frame["name"] == "index"
    }
    assert columns == {320: 1, 375: 1, 600: 1, 1280: 3}
    assert {len(frame["articles"]) for frame in seen["frames"] if frame["name"] == "index"} == {5}
