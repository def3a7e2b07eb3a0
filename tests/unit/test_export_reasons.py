from __future__ import annotations

import pytest

from contracts.errors import InputInvalid
from contracts.exploration_section import EXPLORED
from contracts.settings import SOURCE_NAMES
from export import reasons


@pytest.mark.parametrize(
    ("source", "exact", "plain"),
    [
        ("own", "you bought this before", "you bought this before"),
        ("als", "shoppers with your taste buy this", "shoppers with your taste buy this"),
        ("als_long", "shoppers with your taste buy this", "shoppers with your taste buy this"),
        ("covisit", "because you bought Bread", "often bought with what you buy"),
        ("content", "similar to Bread", "similar to what you buy"),
        ("category", "from Dairy, which you buy", "from a category that you buy"),
        ("popular", "popular this month", "popular this month"),
        ("segment", "popular in 35-44", "popular this month"),
        ("trend", "in demand this week", "in demand this week"),
        ("arrivals", "new in the shop", "new in the shop"),
        ("explored", "something else to try", "something else to try"),
    ],
)
def test_each_source_has_its_sentence(source: str, exact: str, plain: str) -> None:
    """With the particular where it is known, and a true sentence where it is not."""
    assert reasons.render(source, anchor_title="Bread", segment="35-44", category="Dairy") == exact
    assert reasons.render(source) == plain
    assert reasons.render(source, anchor_title="", segment="all", category="") == plain


def test_every_source_of_the_settings_has_a_sentence() -> None:
    """A new source cannot be published without a text."""
    reasons.check_known((*SOURCE_NAMES, EXPLORED))
    with pytest.raises(InputInvalid, match="horoscope"):
        reasons.check_known(["own", "horoscope"])


def test_an_unknown_source_claims_nothing() -> None:
    """A reader that is older than the snapshot still answers."""
    assert reasons.render("horoscope", anchor_title="Bread") == "chosen for you"


def test_braces_in_a_title_stay_as_they_are() -> None:
    """A title is text, never a template."""
    assert reasons.render("covisit", anchor_title="{segment}", segment="x") == "because you bought {segment}"
