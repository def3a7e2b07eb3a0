"""What every asset shares: nightly partitions, one run a range, an owner, retries for crashes and for nothing else."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import dagster as dg

from contracts.tables import Table
from dagster_project import metadata
from dagster_project.nightly import NIGHTLY
from dagster_project.resources import SettingsResource
from jobs.paths import layout_of
from jobs.root_locks import working
from jobs.translation import as_larder_error

OWNERS: Final = ("team:recommendations",)
CRASHES: Final = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)


def step(
    *, deps: Sequence[Any], group: str, kinds: set[str], table: Table | None = None
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset that one job makes.

    Args:
        deps: the assets it reads.
        kinds: what it runs on, for the icons.
        table: the table it is, None for a folder of files.
    """

    def decorate(body: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.asset(
            deps=list(deps),
            group_name=group,
            kinds=kinds,
            owners=list(OWNERS),
            metadata=metadata.of_table(table) if table else None,
            partitions_def=NIGHTLY,
            backfill_policy=dg.BackfillPolicy.single_run(),
            retry_policy=CRASHES,
        )(_named_failures(body))

    return decorate


def step_of_many(
    *, specs: Sequence[dg.AssetSpec], deps: Sequence[Any]
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Several assets that one job makes together; each of them reads all of `deps`."""

    def decorate(body: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.multi_asset(
            name=body.__name__,
            specs=[spec.replace_attributes(deps=list(deps)) for spec in specs],
            partitions_def=NIGHTLY,
            backfill_policy=dg.BackfillPolicy.single_run(),
            retry_policy=CRASHES,
        )(_named_failures(body))

    return decorate


def table_spec(table: Table, *, group: str) -> dg.AssetSpec:
    """The spec of an asset that is a table."""
    return dg.AssetSpec(
        table.name,
        group_name=group,
        description=table.doc,
        kinds={"spark", "delta"},
        owners=list(OWNERS),
        metadata=metadata.of_table(table),
    )


def files_spec(name: str, description: str, *, group: str, kinds: set[str]) -> dg.AssetSpec:
    """The spec of an asset that is a folder of files."""
    return dg.AssetSpec(name, group_name=group, description=description, kinds=kinds, owners=list(OWNERS))


@contextmanager
def failures_named() -> Iterator[None]:
    """Inside, an error that a person can act on becomes a Failure that tells it and is not retried.

    Running the step again cannot mend a missing file or a red gate; a crash of the Java process it can.
    """
    try:
        yield
    except Exception as error:
        known = as_larder_error(error)
        if known is None:
            raise
        raise dg.Failure(
            description=f"{type(known).__name__}: {known}", metadata=metadata.of_error(known), allow_retries=False
        ) from error


def _named_failures(body: Callable[..., Any]) -> Callable[..., Any]:
    """`body` under `failures_named` and `working`; a generator is run to its end first, so that it fails inside too."""

    @functools.wraps(body)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        root = next(one for one in (*args, *kwargs.values()) if isinstance(one, SettingsResource))
        with failures_named(), working(layout_of(root.load())):
            made = body(*args, **kwargs)
            return tuple(made) if isinstance(made, Iterator) else made

    # Dagster reads the parameters' types, and cannot resolve text written in another module.
    hints = typing.get_type_hints(body)
    parameters = inspect.signature(body).parameters.values()
    typed = [p.replace(annotation=hints.get(p.name, p.annotation)) for p in parameters]
    wrapped.__signature__ = inspect.Signature(typed)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {name: hint for name, hint in hints.items() if name != "return"}
    return wrapped
