"""What assets ask for: the settings, and one lazy SparkSession a run."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec
from pydantic import PrivateAttr

from contracts.settings import Settings
from jobs.configuration import configured

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SettingsResource(dg.ConfigurableResource[Any]):
    """The settings of a run.

    Attributes:
        config: settings file; empty looks where the `larder` command looks.
        root: overrides the settings' root.
        document: the settings themselves as JSON, when a caller has them already.
    """

    config: str = ""
    root: str = ""
    document: str = ""

    def load(self) -> Settings:
        """The settings.

        Raises:
            SettingsError: the file or a variable is not valid.
        """
        if self.document:
            return msgspec.json.decode(self.document, type=Settings)
        config = Path(self.config) if self.config else None
        return configured(os.environ, config=config, root=self.root or None)


class SparkResource(dg.ConfigurableResource[Any]):
    """One SparkSession a run, built when first asked for; a session that was there before is used and left alone.

    Attributes:
        settings: of the session.
        is_quiet: whether what the Java process prints goes to a file instead of stderr.
    """

    settings: dg.ResourceDependency[SettingsResource]
    is_quiet: bool = False
    _session: Any = PrivateAttr(default=None)
    _is_ours: bool = PrivateAttr(default=False)

    def session(self) -> "SparkSession":
        """The session of the run; a new one where its Java process died.

        Raises:
            EnvironmentUnfit: Java or the Delta jars are missing.
        """
        from jobs.machine.session_health import live_session, start

        running = live_session()
        if running is None:
            running = start(self.settings.load(), is_quiet=self.is_quiet)
            self._is_ours = True
        self._session = running
        return running

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Stops the session if this run started it."""
        del context
        if self._session is not None and self._is_ours:
            self._session.stop()
        self._session = None
