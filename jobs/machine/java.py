"""The Java that Spark will run on."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Final

from contracts.errors import EnvironmentUnfit

OLDEST: Final = 17
ANSWER_SECONDS: Final = 30


def java_release() -> int:
    """The major release of the Java that Spark would start, such as 17.

    Raises:
        EnvironmentUnfit: there is none, it does not run, or it is older than Spark needs.
    """
    # Spark's launcher decides so: JAVA_HOME where it is set, else the search path.
    home = os.environ.get("JAVA_HOME", "")
    java = f"{home}/bin/java" if home else "java"
    try:
        ran = subprocess.run(
            [java, "-version"], capture_output=True, text=True, errors="replace", timeout=ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unfit("Java does not run.", java) from error
    found = re.search(r'version "(\d+)', ran.stderr + ran.stdout)
    if ran.returncode != 0 or found is None:
        raise _unfit("Java does not tell its version.", java)
    release = int(found.group(1))
    if release < OLDEST:
        raise _unfit(f"Java {release} is too old; Spark needs {OLDEST} or later.", java)
    return release


def _unfit(what: str, java: str) -> EnvironmentUnfit:
    return EnvironmentUnfit(
        what, where=java, todo=f"Install Java {OLDEST} or later, and have JAVA_HOME or the search path name it."
    )
