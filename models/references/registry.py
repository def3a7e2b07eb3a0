"""The references of a date, from its artifacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from contracts.references_section import References
from models import als
from models.references import cosine, ease, tifuknn
from models.references.als import AlsAlone
from models.references.base import Reference
from models.references.frequency import PersonalThenPopular
from models.references.last_week import LastWeek
from models.references.popular import Popular
from models.sources.registry import Catalogue

Make = Callable[[Catalogue, Mapping[str, Path], References], Reference]


def build(
    names: tuple[str, ...], catalogue: Catalogue, folders: Mapping[str, Path], wanted: References
) -> dict[str, Reference]:
    """The named references, in their order.

    Args:
        names: among `contracts.references_section.REFERENCE_NAMES`.
        catalogue: artifacts of the date.
        folders: by name, the artifacts of those references that are fitted.
        wanted: settings.

    Raises:
        ArtifactCorrupt: an artifact is absent or unreadable.
    """
    return {name: _MAKERS[name](catalogue, folders, wanted) for name in names}


_MAKERS: Final[dict[str, Make]] = {
    "personal_then_popular": lambda *_: PersonalThenPopular(),
    "popular": lambda *_: Popular(),
    "cosine": lambda _, folders, __: cosine.load(folders["cosine"]),
    "ease": lambda _, folders, __: ease.load(folders["ease"]),
    "als_alone": lambda catalogue, *_: AlsAlone(als.load(catalogue.folders.als, "als"), catalogue.allowed),
    "tifuknn": lambda _, folders, wanted: tifuknn.load(folders["tifuknn"], wanted),
    "last_week": lambda *_: LastWeek(),
}
NAMES: Final = tuple(_MAKERS)
