"""What must hold of a staged table before anything is built on it: rules of its contract and rules written here.

Great Expectations is imported inside the functions that need it: it takes seconds, and most commands never validate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from contracts import tables
from contracts.settings import Settings
from contracts.tables import Column, Table

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite
    from great_expectations.expectations.expectation import Expectation

ROW_KEY: Final = "row_key"
FACT: Final = "fact"
_GX_TYPES: Final = {
    "string": "StringType", "int": "IntegerType", "double": "DoubleType", "float": "FloatType", "date": "DateType",
    "timestamp": "TimestampType", "boolean": "BooleanType",
}  # fmt: skip
_COUNTS: Final = ("n_", "buyers", "user_idx", "item_idx")


@dataclass(frozen=True, slots=True)
class Rule:
    """A fact about every row.

    Attributes:
        name: the fact in snake_case, as failures name it.
        condition: SQL over the table's columns; null counts as broken.
    """

    name: str
    condition: str


def rules_of(table: Table, settings: Settings) -> tuple[Rule, ...]:
    """Facts that hold for every row of `table`: those its columns imply, then those written for it."""
    complete = [
        Rule(f"{c.name}_has_no_gaps", f"NOT exists({c.name}, x -> x IS NULL)")
        for c in table.columns
        if c.type.startswith("array") and not c.nullable
    ]
    return (*complete, *_written(settings).get(table.name, ()))


def narrow_columns(table: Table, settings: Settings) -> list[str]:
    """SQL that projects `table` to what its suite reads: scalars, one key, one boolean a rule; no array is carried."""
    scalars = [f"`{c.name}`" for c in table.columns if c.type in _GX_TYPES]
    key = [f"xxhash64({', '.join(f'`{name}`' for name in table.key)}) AS {ROW_KEY}"] if _is_hashed(table) else []
    return scalars + key + [f"coalesce({r.condition}, false) AS `{r.name}`" for r in rules_of(table, settings)]


def _is_hashed(table: Table) -> bool:
    """Whether uniqueness is asked of a 64-bit hash of the key: all but a single number, which is as short itself."""
    return len(table.key) > 1 or any(table.column(name).type == "string" for name in table.key)


def suite_of(table: Table, settings: Settings) -> ExpectationSuite:
    """A fresh suite over the columns of `narrow_columns`; every expectation says its fact in its metadata."""
    from great_expectations import expectations as gxe
    from great_expectations.core import ExpectationSuite

    made: list[Expectation] = [gxe.ExpectTableRowCountToBeBetween(min_value=1, meta={FACT: "the table has rows"})]
    for column in table.columns:
        if column.type in _GX_TYPES:
            made += _of_column(gxe, column)
    if table.key:
        key = ROW_KEY if _is_hashed(table) else table.key[0]
        made.append(
            gxe.ExpectColumnProportionOfUniqueValuesToBeBetween(
                column=key, min_value=1, meta={FACT: f"{' + '.join(table.key)} is unique"}
            )
        )
    for name, allowed in _value_sets(table, settings).items():
        made.append(
            gxe.ExpectColumnValuesToBeInSet(
                column=name, value_set=allowed, meta={FACT: f"{name} is one of {', '.join(map(str, allowed))}"}
            )
        )
    for rule in rules_of(table, settings):
        made.append(gxe.ExpectColumnValuesToBeInSet(column=rule.name, value_set=[True], meta={FACT: rule.name}))
    return ExpectationSuite(name=table.name, expectations=made)


def _of_column(gxe: Any, column: Column) -> list[Expectation]:
    kind = _GX_TYPES[column.type]
    made = [gxe.ExpectColumnValuesToBeOfType(column=column.name, type_=kind, meta={FACT: f"{column.name} is a {kind}"})]
    if not column.nullable:
        made.append(gxe.ExpectColumnValuesToNotBeNull(column=column.name, meta={FACT: f"{column.name} is never null"}))
    if column.type == "int" and column.name.startswith(_COUNTS):
        fact = {FACT: f"{column.name} is at least 0"}
        made.append(gxe.ExpectColumnValuesToBeBetween(column=column.name, min_value=0, meta=fact))
    return made


def _value_sets(table: Table, settings: Settings) -> dict[str, list[object]]:
    placements: list[object] = [*sorted(settings.placements)]
    sets: dict[str, dict[str, list[object]]] = {
        tables.EVENTS.name: {"event_type": [*sorted(settings.shop.event_types)]},
        tables.RANKED.name: {"placement": placements},
        tables.TOP_N_LISTS.name: {"placement": placements},
        tables.FALLBACK_LISTS.name: {"placement": placements},
    }
    return sets.get(table.name, {})


def _parallel(*names: str) -> Rule:
    sizes = " AND ".join(f"size({names[0]}) = size({name})" for name in names[1:])
    return Rule("arrays_are_parallel", sizes)


_ASCENDING: Final = Rule("items_ascend", "item_idx = array_sort(array_distinct(item_idx))")
_DISTINCT: Final = Rule("items_are_distinct", "size(array_distinct(item_idx)) = size(item_idx)")
_INDICES: Final = Rule("items_are_indices", "coalesce(array_min(item_idx), 0) >= 0")
_FINITE: Final = Rule("scores_are_finite", "forall(scores, s -> NOT isnan(s) AND abs(s) < CAST('Infinity' AS FLOAT))")
_LIST: Final = (_DISTINCT, _INDICES, _FINITE)


def _written(settings: Settings) -> dict[str, tuple[Rule, ...]]:
    return _of_what_landed(settings) | _of_what_was_made(settings)


def _of_what_landed(settings: Settings) -> dict[str, tuple[Rule, ...]]:
    longest = settings.ingest.max_id_bytes
    return {
        tables.EVENTS.name: (
            Rule("event_is_not_after_its_landing_day", "event_date <= landing_date"),
            Rule("event_date_is_the_utc_day", "event_date = to_date(timestamp)"),
            Rule("late_means_before_the_landing_day", "is_late = (event_date < landing_date)"),
            Rule("price_is_not_negative", "price IS NULL OR price >= 0"),
            Rule("ids_are_not_empty", "user_id <> '' AND item_id <> ''"),
            Rule("ids_fit", f"octet_length(user_id) <= {longest} AND octet_length(item_id) <= {longest}"),
        ),
        tables.ITEMS.name: (
            Rule("id_is_not_empty", "item_id <> ''"),
            Rule("price_is_a_number", "price IS NULL OR NOT isnan(price)"),
        ),
        tables.USERS.name: (Rule("id_is_not_empty", "user_id <> ''"), Rule("segment_is_not_empty", "segment <> ''")),
        tables.INTERACTIONS.name: (Rule("first_is_not_after_last", "first_at <= last_at"),),
    }


def _of_what_was_made(settings: Settings) -> dict[str, tuple[Rule, ...]]:
    n_sources, n_scorers = len(settings.candidates.sources), len(settings.candidates.scorers)
    longest = max((placement.length for placement in settings.placements.values()), default=0)
    past = tuple(c.name for c in tables.HISTORIES.columns if c.type.startswith("array"))
    return {
        tables.HISTORIES.name: (_parallel(*past), _ASCENDING, _INDICES),
        tables.CANDIDATES.name: (
            Rule("bits_are_parallel", "size(source_bits) = size(item_idx)"),
            Rule(
                "scores_are_a_matrix", f"octet_length(source_scores) = {4 * (n_sources + n_scorers)} * size(item_idx)"
            ),
            Rule("ranks_are_a_matrix", f"octet_length(source_ranks) = {2 * n_sources} * size(item_idx)"),
            _ASCENDING,
            _INDICES,
        ),
        tables.RANKED.name: (_parallel("item_idx", "scores", "source_bits", "main_sources"), *_LIST),
        tables.TOP_N_LISTS.name: (
            _parallel("item_idx", "scores", "reasons", "anchors", "usual_idx", "propensities"),
            *_LIST,
            Rule("list_is_not_too_long", f"size(item_idx) <= {longest}"),
            Rule("reasons_are_sources", f"forall(reasons, r -> r BETWEEN 0 AND {len(settings.reasons) - 1})"),
            Rule("propensities_are_probabilities", "forall(propensities, p -> p > 0 AND p <= 1)"),
            Rule("user_id_is_not_empty", "user_id <> ''"),
        ),
        tables.FALLBACK_LISTS.name: (_parallel("item_idx", "scores"), *_LIST),
    }
