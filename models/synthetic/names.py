"""Ids and titles of a synthetic shop: most are plain, some are what real shops send."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

_EVERY: Final = 20
_ID_BYTES: Final = 256
_CHUNK: Final = 65_536
_HOSTILE: Final = (
    "../{}", "..\\{}", "{}/", "a b\t{}", " {} ", "{}\n", "\"{}\",'", "{}%2F..%00", "<b>{}</b>", "NULL{}", "-{}e",
    "用户{}", "مستخدم{}", "\u202e{}\u202c", "e\u0301{}", "é{}", "\u0130{}\u0131", "ß{}", "👩‍👩‍👧‍👦{}", "\u200b{}",
    "\ufeff{}", "\U0001d518{}",
    "$(rm {})", "{{{}}}", "date={}", "{}.parquet", "C:{}", "'; DROP TABLE users; --{}", "\\N{}", "\u0085{}",
)  # fmt: skip
_NOUNS: Final = ("lamp", "mug", "scarf", "tea", "chair", "soap", "clock", "bowl", "candle", "kite")


def ids(prefix: str, n: int) -> pa.Array:
    """`n` distinct ids by index: `prefix` and the index, one in twenty hostile, of those some 256 bytes long."""
    chunks = [
        pa.array([_id(prefix, index) for index in range(start, min(start + _CHUNK, n))], pa.string())
        for start in range(0, n, _CHUNK)
    ]
    return pa.concat_arrays(chunks) if chunks else pa.array([], pa.string())


def title(index: int, group: int) -> str:
    """A title as a shopper reads it; one in twenty is hostile."""
    plain = f"{_NOUNS[group % len(_NOUNS)]} no. {index}"
    return _hostile(index).format(plain) if index % _EVERY == 1 else plain


def _id(prefix: str, index: int) -> str:
    if index % _EVERY != _EVERY - 1:
        return f"{prefix}{index}"
    text = _hostile(index).format(f"{prefix}{index}")
    if index // _EVERY % len(_HOSTILE) == 0:
        spare = _ID_BYTES - len(text.encode())
        return text + "ж" * (spare // 2) + "x" * (spare % 2)
    return text


def _hostile(index: int) -> str:
    return _HOSTILE[index // _EVERY % len(_HOSTILE)]
