"""`larder explain` on two hand-made nights of one user, whose ranker looks at one feature alone."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console
from scipy import sparse

from contracts import tables
from contracts.days import day_number
from contracts.errors import InputInvalid, InputMissing
from contracts.layout import Layout
from contracts.settings import Candidates, Placement, Ranker, Settings
from contracts.tables import Table
from jobs.commands.explain_screen import show_explanation
from jobs.evaluation import choosing
from jobs.evaluation.choosing import Choice, Choices
from jobs.explaining.explain_user import Question, run
from models import als, candidates, histories, item_arrays, neighbours, ranker, ranking_features
from models.als import Factors
from models.histories import Pairs, Users
from models.ranker import Examples, Lesson
from models.sources import registry
from models.sources.registry import Catalogue, Folders
from models.user_block import USER_NUMBERS, UserBlock, read_block

FIRST, SECOND = dt.date(2026, 3, 1), dt.date(2026, 3, 2)
SOURCES = ("own", "als", "covisit", "popular")
NAMES = ranking_features.names(SOURCES, ())
TITLES = ["Tea", "Jam", "Bread", "Milk", "Soap", "Gone", "Fig"]


def settings_of(root: Path) -> Settings:
    """Two items a source; lists of two; `new` leaves out what was bought."""
    return Settings(
        root=str(root),
        candidates=Candidates(sources=SOURCES, scorers=(), per_source=2),
        placements={"home": Placement(repeats=True, length=2), "new": Placement(repeats=False, length=2)},
    )


def write(layout: Layout, table: Table, day: dt.date, rows: dict[str, Any]) -> None:
    """Appends rows of one date, or of no date where the table has none."""
    n = len(next(iter(rows.values())))
    dated = {"as_of": pa.array([day] * n), **rows} if table.partition else rows
    path = layout.table(table)
    deltalake.write_deltalake(path, pa.table(dated), mode="append", partition_by=list(table.partition) or None)


def booster() -> str:
    """A ranker that learnt to like a high score by ALS, and knows nothing else."""
    random = np.random.default_rng(0)
    features = np.zeros((2000, len(NAMES)), dtype=np.float32)
    liked = random.uniform(0, 6, 2000).astype(np.float32)
    features[:, NAMES.index("score_als")] = liked
    examples = Examples(features, liked.astype(int), np.full(200, 10))
    wanted = Ranker(n_estimators=30, min_data_in_leaf=5, lambda_l2=0.0, feature_fraction=1.0, num_leaves=15)
    return ranker.fit(Lesson([examples], wanted), NAMES, seed=1, threads=1)


BOOSTER = booster()


def cook(settings: Settings, layout: Layout, day: dt.date, taste: list[float]) -> None:
    """One night: the user bought Tea; `taste` is the ALS score of each item; Gone may not be recommended."""
    n = len(TITLES)
    numbers = {name: [1.0] * n for name in item_arrays.NUMBERS}
    numbers |= {"buyers_28": [7.0, 6.0, 5.0, 4.0, 3.0, 9.0, 0.0]}
    codes = {name: ["food"] * n for name in item_arrays.CODES}
    usable = {"is_recommendable": [title != "Gone" for title in TITLES], "title": TITLES}
    folders = Folders(*(layout.artifact(kind, day) for kind in ("item_arrays", "als", "neighbours")))
    item_arrays.save(folders.item_arrays, pa.table({"item_idx": range(n), **numbers, **codes, **usable}), about={})
    factors = Factors(np.ones((1, 1), dtype=np.float32), np.array(taste, dtype=np.float32)[:, None])
    als.save(folders.als, {"als": factors, "als_long": factors}, about={})
    near = sparse.csr_matrix(([0.5], ([0], [3])), shape=(n, n), dtype=np.float32)
    none = sparse.csr_matrix((n, n), dtype=np.float32)
    matrices = {"covisit": near, "content": none, "category": none}
    neighbours.save(folders.neighbours, matrices, np.zeros((1, n), np.float32), '{"all": 0}', scorers={}, about={})
    ranker.save(
        layout.artifact("ranker", day), {"night-home": BOOSTER, "night-new": BOOSTER},
        about={"fingerprint": settings.fingerprint("ranker", "candidates", "als", "shop")},
    )  # fmt: skip
    write_user(settings, layout, day, Catalogue(folders, settings.candidates))


def write_user(settings: Settings, layout: Layout, day: dt.date, catalogue: Catalogue) -> None:
    """The user's rows of every table, the lists being the two best by the ranker."""
    ones = {name: np.ones(1, dtype=np.float32) for name in Pairs.__slots__}
    ints = {name: np.ones(1, dtype=np.int32) for name in ("baskets", "first_baskets", "last_baskets")}
    days = {name: np.array([day_number(FIRST)], dtype=np.int32) for name in ("first_days", "last_days")}
    pairs = Pairs(**ones | ints | days | {"rows": np.zeros(1, np.int64), "item_idx": np.zeros(1, np.int32)})
    one = np.ones(1, dtype=np.int32)
    history = {"user_idx": pa.array([0], pa.int32()), **histories.to_columns(Users(one, one, one), pairs)}
    features = {"user_idx": pa.array([0], pa.int32()), **{name: pa.array([1.0], pa.float32()) for name in USER_NUMBERS}}
    features |= {"segment": pa.array(["all"])}
    write(layout, tables.HISTORIES, day, history)
    write(layout, tables.USER_FEATURES, day, features)
    block = read_block(pa.RecordBatch.from_pydict({**features, **history}), len(TITLES))
    made = candidates.generate(block, registry.build(catalogue), settings.candidates.per_source, {})
    write(layout, tables.CANDIDATES, day, {"user_idx": pa.array([0], pa.int32()), **candidates.to_columns(made, 1)})
    ids = [f"i{item}" for item in range(len(TITLES))]
    category = pa.array(["food"] * len(TITLES))
    items = {"item_idx": pa.array(range(len(TITLES)), pa.int32()), "item_id": ids, "title": TITLES}
    write(layout, tables.ITEMS, day, {**items, "category": category})
    for placement in settings.placements:
        write_lists(layout, day, placement, block, made, catalogue)


def write_lists(
    layout: Layout, day: dt.date, placement: str, block: UserBlock, made: candidates.CandidateBlock, known: Catalogue
) -> None:
    """The two best of the candidates that the placement may show, with a column that no module knows."""
    shown = made if placement == "home" else made.take(block.bought_position(made.rows, made.items) < 0)
    matrix = ranking_features.matrix(block, shown, known.items, today=day_number(day))
    scores = ranker.predict(ranker.scorer(ranker.load(layout.artifact("ranker", day), f"night-{placement}")), matrix)
    best = np.lexsort((shown.items, -scores))[:2]
    ints = pa.list_(pa.int32())
    columns = {
        "placement": [placement],
        "user_idx": pa.array([0], pa.int32()),
        "item_idx": pa.array([shown.items[best].tolist()], ints),
        "scores": pa.array([scores[best].tolist()], pa.list_(pa.float32())),
    }
    main = pa.array([candidates.main_sources(shown.ranks)[best].tolist()], ints)
    write(layout, tables.RANKED, day, {**columns, "main_sources": main})
    told = {"user_id": ["ann"], "segment": ["all"], "reasons": main, "anchors": pa.array([[-1, 0]], ints)}
    write(layout, tables.TOP_N_LISTS, day, {**columns, **told, "boosts": pa.array([[1.5, 1.0]])})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Jam and Bread on the first night; on the second the taste for Soap has grown."""
    root = tmp_path_factory.mktemp("shop")
    made, layout = settings_of(root), Layout(root)
    write(layout, tables.USER_VOCABULARY, FIRST, {"user_idx": pa.array([0, 1], pa.int32()), "user_id": ["ann", "bob"]})
    ids = {"item_idx": pa.array(range(len(TITLES)), pa.int32()), "item_id": [f"i{n}" for n in range(len(TITLES))]}
    write(layout, tables.ITEM_VOCABULARY, FIRST, ids)
    cook(made, layout, FIRST, [0.5, 5.0, 4.0, 1.0, 2.0, 9.0, 0.1])
    cook(made, layout, SECOND, [0.5, 3.0, 1.5, 1.0, 5.5, 9.0, 0.1])
    return made


def test_a_list_is_explained_by_what_made_it(settings: Settings) -> None:
    """Soap, first by ALS and by the ranker, is told with the sources that proposed it and the feature that counted."""
    made = run(settings, Question(user="ann"))
    assert (made.whose, made.n_listed, made.versions.as_of, made.versions.before) == ("personal", 2, SECOND, FIRST)
    assert (made.versions.snapshot, made.versions.is_same_settings) == (None, True)
    assert set(made.versions.artifacts) == {"item_arrays", "als", "neighbours", "ranker"}
    soap, jam = made.items
    assert (soap.item_id, soap.title, soap.place, soap.ranker_rank) == ("i4", "Soap", 1, 1)
    assert [(one.source, one.rank) for one in soap.sources] == [
        ("als", 1), ("own", None), ("covisit", None), ("popular", None),
    ]  # fmt: skip
    assert soap.sources[0].score == pytest.approx(5.5)
    assert (soap.reason, soap.source) == ("shoppers with your taste buy this", "als")
    assert [one.feature for one in soap.contributions] == ["score_als"]
    assert soap.contributions[0].value == pytest.approx(5.5)
    assert soap.ranker_score == pytest.approx(soap.base + soap.contributions[0].contribution)
    assert soap.recorded["ranked.scores"] == pytest.approx(soap.ranker_score, rel=1e-5)
    assert (soap.recorded["top_n_lists.boosts"], jam.recorded["top_n_lists.boosts"]) == (1.5, 1.0)
    assert jam.title == "Jam"


def test_what_entered_and_left_has_its_cause(settings: Settings) -> None:
    """Soap was no candidate and is proposed by ALS; Bread is a candidate no more of ALS, and ranked behind."""
    made = run(settings, Question(user="ann"))
    soap, jam = made.items
    assert (soap.movement.kind, soap.movement.why) == ("entered", "It is newly proposed by als (rank 1).")
    assert (jam.movement.kind, jam.movement.place_before, jam.movement.place_now) == ("stayed", 1, 2)
    assert [(change.feature, change.before, change.now) for change in jam.movement.changes] == [("score_als", 5.0, 3.0)]
    assert jam.movement.changes[0].change < 0
    (bread,) = made.left
    assert (bread.title, bread.movement.kind, bread.movement.place_before) == ("Bread", "left", 2)
    assert bread.movement.why == "A new candidate stands ahead of it (Soap): rank 2 became 3."


@pytest.mark.parametrize(("source", "rank"), [("als", "rank 1"), ("covisit", "no candidate")])
def test_a_source_whose_lists_are_published_is_the_cause(settings: Settings, source: str, rank: str) -> None:
    """On the second night a source was chosen: its ranks count, not the ranker's, and the stages say so."""
    path = choosing.write(
        Layout(Path(settings.root)), Choices(as_of=SECOND, placements=(Choice(placement="home", system=source),))
    )
    try:
        made = run(settings, Question(user="ann"))
    finally:
        path.unlink()
    console = Console(width=200, record=True, file=io.StringIO())
    show_explanation(console, made)
    text = console.export_text()
    assert f"These are the lists of source {source}, which the ranker did not beat" in text
    assert "score_als" not in text
    soap, jam = made.items
    cause = f"Published are the lists of source {source} ({rank}); before it were the two-stage lists (no candidate)."
    assert (soap.movement.why, jam.movement.changes) == (cause, [])
    assert (
        soap.stages[0] == f"the list is that of source {source}, which the ranker did not beat; its rank did not count"
    )


def test_an_item_that_no_source_proposed_says_what_was_nearest(settings: Settings) -> None:
    """Milk comes by covisit; Fig by nobody: ALS would rank it fifth of two, popular and covisit know nothing of it."""
    fig = run(settings, Question(user="ann", item="i6")).items[0]
    assert (fig.place, fig.ranker_rank, fig.sources, fig.contributions) == (None, None, [], [])
    assert fig.movement.why == "No source proposed it."
    assert [(one.source, one.rank, one.proposes) for one in fig.nearest] == [("als", 5, 2)]
    milk = run(settings, Question(user="ann", item="i3")).items[0]
    assert (milk.sources[0].source, milk.sources[0].rank) == ("covisit", 1)


def test_what_may_not_show_says_why(settings: Settings) -> None:
    """Gone is not recommendable, however much it is liked; Tea was bought, which only `new` minds."""
    gone = run(settings, Question(user="ann", item="i5")).items[0]
    assert (gone.movement.kind, gone.nearest) == ("out", [])
    assert gone.movement.why.startswith("It may not be recommended")
    tea = run(settings, Question(user="ann", item="i0", placement="new")).items[0]
    assert tea.movement.why == "The user bought it, and this placement shows only what is new."
    assert tea.nearest == []
    assert run(settings, Question(user="ann", item="i0")).items[0].sources[0].source == "own"


def test_a_first_list_has_nothing_to_compare(settings: Settings) -> None:
    """The lists of the first night are explained without an earlier one."""
    made = run(settings, Question(user="ann", as_of=FIRST))
    assert [item.title for item in made.items] == ["Jam", "Bread"]
    assert (made.versions.before, made.left, made.items[0].movement.kind) == (None, [], "first")


def test_who_is_not_known_is_told(settings: Settings) -> None:
    """Bob has no list of his own; an unknown user, item, placement or date is an error with what to do."""
    assert run(settings, Question(user="bob")).whose == "fallback"
    for asked in (
        Question(user="eve"),
        Question(user="ann", item="i9"),
        Question(user="ann", as_of=dt.date(2020, 1, 1)),
    ):
        with pytest.raises(InputMissing):
            run(settings, asked)
    with pytest.raises(InputInvalid, match="attic"):
        run(settings, Question(user="ann", placement="attic"))


def test_candidates_of_other_sources_are_not_misread(settings: Settings) -> None:
    """With another list of sources the columns would mean something else: an error names the key."""
    other = Settings(
        root=settings.root, candidates=Candidates(sources=SOURCES[:3], scorers=()), placements=settings.placements
    )
    with pytest.raises(InputInvalid, match="other sources"):
        run(other, Question(user="ann"))


def test_the_screen_tells_the_same(settings: Settings) -> None:
    """Titles, sources, features and causes are on the screen of the list and of one item."""
    console = Console(width=200, record=True, file=io.StringIO())
    show_explanation(console, run(settings, Question(user="ann")))
    show_explanation(console, run(settings, Question(user="ann", item="i6")))
    text = console.export_text()
    for told in (
        "Soap i4  ranker 1  new",
        "als 1",
        "score_als 5.5",
        "Left since:",
        "als would rank it 5 and proposes 2",
    ):
        assert told in text
