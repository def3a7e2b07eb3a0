"""The formats by name."""

from __future__ import annotations

from typing import Final

from contracts.errors import InputInvalid
from export.digest.formats.braze import BRAZE
from export.digest.formats.klaviyo import KLAVIYO
from export.digest.formats.personalize import PERSONALIZE
from export.digest.formats.ses import SES
from export.digest.formats.shapes import Shape

SHAPES: Final = {shape.name: shape for shape in (PERSONALIZE, SES, BRAZE, KLAVIYO)}


def shape_of(name: str) -> Shape:
    """The format of that name.

    Raises:
        InputInvalid: there is none.
    """
    if name not in SHAPES:
        raise InputInvalid(f"There is no format {name!r}", where="format", todo=f"Use one of {list(SHAPES)}.")
    return SHAPES[name]
