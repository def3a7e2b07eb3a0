"""Every error that Larder raises on purpose: what happened, where, and what to do about it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the `larder` command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    HELD = 3


class LarderError(Exception):
    """A failure that a person can act on.

    Args:
        what: the fact, in one sentence.
        where: the file, table, setting or column it was seen in.
        todo: the next step for the person who reads it.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, what: str, *, where: str, todo: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.what}\n  where: {self.where}\n  to do: {self.todo}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.todo)

    def as_dict(self) -> dict[str, str]:
        """The error as the fields of one JSON object."""
        return {"error": type(self).__name__, "what": self.what, "where": self.where, "todo": self.todo}


def _rebuild(kind: type[LarderError], what: str, where: str, todo: str) -> LarderError:
    return kind(what, where=where, todo=todo)


class SettingsError(LarderError):
    """A settings file or variable with an unknown key or a value out of range."""

    exit_code = ExitCode.USAGE


class InputMissing(LarderError):
    """A landing folder, file or partition that a step needs is not there."""


class InputInvalid(LarderError):
    """Input that is there but cannot be used: a missing column, a wrong type, a corrupt file, no usable row."""


class CatalogueShrunk(InputInvalid):
    """The item catalogue is missing or lost more items than the settings allow."""


class AccountingError(LarderError):
    """Rows in and rows out do not add up."""


class ArtifactCorrupt(LarderError):
    """A model file is absent, truncated or not the one its manifest names."""


class VocabularyMismatch(LarderError):
    """Two things that should share one vocabulary have different sizes."""


class EnvironmentUnfit(LarderError):
    """Java, jars, disk space or another need of the machine is missing."""


class SnapshotMissing(LarderError):
    """No snapshot was published yet, or the one named does not exist."""


class SnapshotCorrupt(LarderError):
    """Bytes of a snapshot differ from what its manifest promises."""


class PublishRefused(LarderError):
    """The snapshot is not blessed, or the pointer moved under the publisher."""

    exit_code = ExitCode.HELD


class HeldByGate(LarderError):
    """A quality gate is red: the previous snapshot stays current."""

    exit_code = ExitCode.HELD


class TableInvalid(LarderError):
    """A blocking expectation on a staged table does not hold."""

    exit_code = ExitCode.HELD


class StoreUnreachable(LarderError):
    """A store did not do what it was asked within the deadline: it failed, refused for load or timed out."""


class StoreDenied(LarderError):
    """A store refuses the credentials, or there are none."""
