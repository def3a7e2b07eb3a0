"""Who was erased, by a keyed hash: no id in clear, and yet tomorrow's landing files do not bring a user back.

folder/key            32 bytes of chance, readable by their owner alone
folder/erased.json    HMAC-SHA-256 of each id under the key, with when and why
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import InputInvalid
from export.durable import replace_json, sync_file, sync_folder, writing

KEY_NAME: Final = "key"
LIST_NAME: Final = "erased.json"
KEY_BYTES: Final = 32
BLOCK_BYTES: Final = 64


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One erased user: ISO time of the first request, and its reason."""

    at: str
    reason: str


class Pads(msgspec.Struct, frozen=True):
    """The key as HMAC uses it: SHA-256(outer + SHA-256(inner + message)) is the hash (RFC 2104)."""

    inner: bytes
    outer: bytes


class Register:
    """The erased users of one root."""

    def __init__(self, folder: Path) -> None:
        """The register in `folder`; nothing is there before the first user is added."""
        self._folder = folder

    def entries(self) -> dict[str, Entry]:
        """When and why, by hash.

        Raises:
            InputInvalid: the list is damaged, or its key is gone: then nobody can tell who must not come back.
        """
        path = self._folder / LIST_NAME
        try:
            found = msgspec.json.decode(path.read_bytes(), type=dict[str, Entry])
        except FileNotFoundError:
            return {}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputInvalid(
                f"The list of erased users cannot be read: {error}", where=str(path), todo="Restore it from a copy."
            ) from error
        if found:
            self._key()
        return found

    def pads(self) -> Pads:
        """The key, for those who hash many ids."""
        key = self._key().ljust(BLOCK_BYTES, b"\0")
        return Pads(bytes(one ^ 0x36 for one in key), bytes(one ^ 0x5C for one in key))

    def hash_of(self, user_id: str) -> str:
        """64 hex digits."""
        name = user_id.encode("utf-8", "surrogatepass")
        return hmac.new(self._key(), name, hashlib.sha256).hexdigest()

    def count(self, user_ids: Iterable[str]) -> int:
        """How many of these users are in it."""
        known, key = {bytes.fromhex(one) for one in self.entries()}, self._key()
        names = (user.encode("utf-8", "surrogatepass") for user in user_ids)
        return sum(hmac.digest(key, name, "sha256") in known for name in names)

    def add(self, user_ids: Iterable[str], *, at: str, reason: str) -> int:
        """Users who were not in it before; from now on no ingest takes any of these."""
        self._make_key()
        entries = self.entries()
        hashes = {self.hash_of(user): Entry(at=at, reason=reason) for user in user_ids}
        fresh = hashes.keys() - entries.keys()
        if fresh:
            replace_json(self._folder / LIST_NAME, dict(sorted((hashes | entries).items())))
        return len(fresh)

    def _key(self) -> bytes:
        path = self._folder / KEY_NAME
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = b""
        if len(key) != KEY_BYTES:
            raise InputInvalid(
                "The key of the erased users is gone or cut short", where=str(path), todo="Restore it from a copy."
            )
        return key

    def _make_key(self) -> None:
        path = self._folder / KEY_NAME
        if path.exists() or (self._folder / LIST_NAME).exists():
            return
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            draft = self._folder / f".{KEY_NAME}.incoming"
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            sync_file(draft)
            draft.rename(path)
            sync_folder(self._folder)
