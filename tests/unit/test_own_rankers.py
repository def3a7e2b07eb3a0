"""Settings of the ranker that a placement has of its own, from the file to what is learnt."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contracts.errors import SettingsError
from contracts.settings import OwnRanker, Placement, Ranker, Settings, Shares, Shop, load
from jobs.training import train_ranker, tune_ranker, windows
from models import examples
from models.ranker import Lesson

FILE = """\
[ranker]
negative_share = 0.4
learning_rate = 0.1
losses = ["binary"]

[ranker.placements.home]
negative_share = 0.1  # what is bought again is told by little

[ranker.placements.discover]
learning_rate = 0.04
losses = ["lambdarank", "binary"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The file's."""
    path = tmp_path / "larder.toml"
    path.write_text(FILE, encoding="utf-8")
    return load(path, {})


def test_a_placement_has_its_own_over_those_of_all(settings: Settings) -> None:
    """What is not its own is as in [ranker]; a placement without a table has nothing of its own."""
    home, discover = settings.ranker.of("home"), settings.ranker.of("discover")
    assert (home.negative_share, home.learning_rate, home.losses) == (0.1, 0.1, ("binary",))
    assert (discover.negative_share, discover.learning_rate, discover.losses) == (0.4, 0.04, ("lambdarank", "binary"))
    assert (home.num_leaves, discover.num_leaves) == (31, 31)
    assert settings.ranker.of("mail") == settings.ranker


def test_a_placement_that_is_not_there_is_refused() -> None:
    """The error names it and those that are."""
    with pytest.raises(SettingsError, match=r"ranker.placements has \['mail'\]; known are \['home', 'discover'\]"):
        load(None, {"LARDER_RANKER__PLACEMENTS__MAIL__NUM_LEAVES": "15"})


def test_what_concerns_windows_is_no_placements_own() -> None:
    """They are made once for all."""
    with pytest.raises(SettingsError, match="unknown field `windows`"):
        load(None, {"LARDER_RANKER__PLACEMENTS__HOME__WINDOWS": "2"})


def test_another_setting_of_a_placement_is_another_ranker() -> None:
    """The ranker's fingerprint changes; that of the examples only where another share is to be stored."""
    plain = Settings()
    paced = Settings(ranker=Ranker(placements={"home": OwnRanker(learning_rate=0.05)}))
    fewer = Settings(ranker=Ranker(placements={"home": OwnRanker(negative_share=0.1)}))
    more = Settings(ranker=Ranker(placements={"discover": OwnRanker(negative_share=0.5)}))
    assert len({made.fingerprint("ranker") for made in (plain, paced, fewer, more)}) == 4
    assert windows.fingerprint(paced) == windows.fingerprint(plain)
    assert len({windows.fingerprint(made) for made in (plain, fewer, more)}) == 3


def test_examples_hold_what_any_placement_learns_from(settings: Settings) -> None:
    """Own items are for home alone, a tenth; new ones for discover too, four tenths, of which home takes a quarter."""
    assert settings.stored_shares == Shares(0.1, 0.4)
    assert settings.kept_shares("home") == Shares(1.0, 0.25)
    assert settings.kept_shares("discover") == Shares(1.0, 1.0)
    assert Settings().stored_shares == Shares(0.2, 0.2)
    only_new = Settings(placements={"discover": Placement(repeats=False)})
    assert only_new.stored_shares == Shares(0.0, 0.2)
    assert Settings(shop=Shop(repeats=False)).stored_shares == Shares(0.0, 0.2)
    assert only_new.kept_shares("discover") == Shares(0.0, 1.0)


def test_examples_hold_what_all_draws_learn_from() -> None:
    """Three draws of a fifth are three fifths, of which each draw takes a third; more than there is cannot be drawn."""
    settings = Settings(ranker=Ranker(placements={"home": OwnRanker(draws=3)}))
    assert settings.stored_shares == Shares(pytest.approx(0.6), pytest.approx(0.6))
    assert settings.kept_shares("home") == Shares(pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert settings.kept_shares("discover").new == pytest.approx(1 / 3)
    with pytest.raises(SettingsError, match=r"ranker.negative_share times ranker.draws is above 1 for \['home'\]"):
        load(None, {"LARDER_RANKER__PLACEMENTS__HOME__DRAWS": "6"})


def stored(n_users: int) -> pa.Table:
    """Each user with an own and a new item bought, and of each kind fifty that were not; the feature counts rows."""
    labels = [1, 1] + [0] * 100
    of_new = [False, True] + [False] * 50 + [True] * 50
    numbers = np.arange(n_users * 102, dtype=np.float32).reshape(n_users, 102)
    return pa.table({
        "as_of": pa.array([dt.date(2026, 3, 1)] * n_users, pa.date32()),
        "user_idx": pa.array(range(n_users), pa.int32()),
        "labels": pa.array([labels] * n_users, pa.list_(pa.int8())),
        "is_new": pa.array([of_new] * n_users, pa.list_(pa.bool_())),
        "features": pa.array([row.tobytes() for row in numbers], pa.binary()),
    })  # fmt: skip


def test_a_placement_learns_from_its_share_of_what_is_stored() -> None:
    """Of 200 users' 10,000 own and 10,000 new negatives all and a quarter stay, within four standard deviations."""
    made, _ = examples.shown(stored(200), repeats=True, kept=Shares(1.0, 0.25), seed=1)
    places = made.features[:, 0].astype(int) % 102
    assert np.count_nonzero(made.labels) == 400
    assert np.count_nonzero((places >= 2) & (places < 52)) == 10_000
    assert abs(np.count_nonzero(places >= 52) - 2_500) < 175
    assert made.groups.sum() == len(made.labels)


def test_a_user_is_drawn_the_same_rows_in_every_night() -> None:
    """By seed and window alone: among other users the same, in another window or by another seed others."""
    table, kept = stored(40), Shares(0.5, 0.5)
    rows = set(examples.shown(table, repeats=True, kept=kept, seed=1)[0].features[:, 0].tolist())
    fewer = set(examples.shown(table.slice(10, 20), repeats=True, kept=kept, seed=1)[0].features[:, 0].tolist())
    assert fewer == {row for row in rows if 10 * 102 <= row < 30 * 102}
    later = table.set_column(0, "as_of", pa.array([dt.date(2026, 3, 29)] * 40, pa.date32()))
    for other in (
        examples.shown(later, repeats=True, kept=kept, seed=1),
        examples.shown(table, repeats=True, kept=kept, seed=2),
    ):
        assert len(rows ^ set(other[0].features[:, 0].tolist())) > 1_500


def test_no_two_draws_take_the_same_negative() -> None:
    """Of 20,000 each of three draws takes a quarter, within four standard deviations; what is bought is in all."""
    table = stored(200)
    taken = []
    for draw in range(3):
        made, _ = examples.shown(table, repeats=True, kept=Shares(0.25, 0.25), draw=draw, seed=1)
        places = made.features[:, 0].astype(int) % 102
        assert np.count_nonzero(places < 2) == 400
        taken.append(set(made.features[places >= 2, 0].tolist()))
        assert abs(len(taken[-1]) - 5_000) < 245
    assert len(set.union(*taken)) == sum(map(len, taken))


def test_draws_of_everything_take_each_negative_once() -> None:
    """Five of a fifth each."""
    rows = [
        examples.shown(stored(20), repeats=True, kept=Shares(0.2, 0.2), draw=draw, seed=3)[0].features[:, 0].tolist()
        for draw in range(5)
    ]
    negatives = [row for made in rows for row in made if row % 102 >= 2]
    assert sorted(negatives) == [row for row in range(20 * 102) if row % 102 >= 2]


@pytest.fixture
def lessons(monkeypatch: pytest.MonkeyPatch) -> list[Lesson]:
    """What is to be learnt, in place of learning it; the models are `booster 1` and so on."""
    seen: list[Lesson] = []

    def fit_all(wanted: list[Lesson], *_: object, **__: object) -> list[str]:
        seen.extend(wanted)
        return [f"booster {n}" for n in range(1, len(wanted) + 1)]

    monkeypatch.setattr(train_ranker.ranker, "fit_all", fit_all)
    return seen


def test_the_ranker_learns_with_the_placements_settings(settings: Settings, lessons: list[Lesson]) -> None:
    """Half a user's rows are kept for home, new items alone for discover; each is fitted with its own settings."""
    train_ranker._fits(stored(100), settings)
    home, discover = lessons
    assert [home.settings, discover.settings] == [settings.ranker.of("home"), settings.ranker.of("discover")]
    assert len(discover.draws[0].labels) == 100 * 51
    assert abs(len(home.draws[0].labels) - (100 * 52 + 1_250)) < 125


def test_a_placement_learns_from_as_many_draws_as_it_wants(lessons: list[Lesson]) -> None:
    """Home of three draws, each of a third of the 100 negatives of a user; what is bought is in all of them."""
    wanted = Settings(ranker=Ranker(placements={"home": OwnRanker(draws=3)}))
    found = train_ranker._fits(stored(100), wanted)
    home, discover = lessons
    assert (len(home.draws), len(discover.draws)) == (3, 1)
    assert found["home"] == ("booster 1", 100 * (100 + 3 * 2))
    assert len({row for made in home.draws for row in made.features[:, 0].tolist()}) == 100 * 102


@pytest.mark.parametrize(
    ("shop", "own", "rows"),
    [
        (Shop(repeats=False), {}, {"home": 100 * 51}),
        (Shop(), {}, {"home": 100 * 102, "discover": 100 * 51}),
        (Shop(repeats=False), {"home": OwnRanker(num_leaves=7)}, {"home": 100 * 51, "discover": 100 * 51}),
    ],
)
def test_placements_that_learn_alike_share_one_fit(
    lessons: list[Lesson], shop: Shop, own: dict[str, OwnRanker], rows: dict[str, int]
) -> None:
    """Home of a shop that sells nothing twice shows what discover shows; repeats or own settings tell them apart."""
    found = train_ranker._fits(stored(100), Settings(shop=shop, ranker=Ranker(placements=own), threads=1))
    assert [len(lesson.draws[0].labels) for lesson in lessons] == list(rows.values())
    assert found["home"] == ("booster 1", rows["home"])
    assert found["discover"] == (f"booster {len(rows)}", rows.get("discover", rows["home"]))


def test_the_written_file_keeps_comments_and_reads_as_chosen(tmp_path: Path, settings: Settings) -> None:
    """Only what changed is written, a placement's own under its table, which is made where there was none."""
    chosen = settings.ranker.with_own("home", "losses", ("lambdarank",)).with_own("discover", "num_leaves", 15)
    changed = tune_ranker._changed(settings.ranker, chosen)
    assert changed == {
        ("placements", "home", "losses"): ("lambdarank",),
        ("placements", "discover", "num_leaves"): 15,
    }
    path = tmp_path / "tuned.toml"
    path.write_text(tune_ranker._document(tmp_path / "larder.toml", changed), encoding="utf-8")
    assert load(path, {}).ranker == chosen
    assert "# what is bought again is told by little" in path.read_text(encoding="utf-8")
    assert tune_ranker._document(None, changed) == (
        '[ranker]\n[ranker.placements.home]\nlosses = ["lambdarank"]\n\n[ranker.placements.discover]\nnum_leaves = 15\n'
    )
