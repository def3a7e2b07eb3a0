"""The two Delta jars that a session needs: where they lie, whether they are right, and how they are fetched once."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Final

from contracts.errors import EnvironmentUnfit, LarderError

PACKAGE: Final = "io.delta:delta-spark_4.1_2.13:4.4.0"
SHA256: Final = {
    "io.delta_delta-spark_4.1_2.13-4.4.0.jar": "75a9400986853c061f5109f012547de2545a5759e5e752e5ef633dabe16a4f10",
    "io.delta_delta-storage-4.4.0.jar": "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
}
# Needed only with Unity Catalog or the kernel reader: 78 MB that no job touches.
EXCLUDED: Final = (
    "io.unitycatalog:unitycatalog-client",
    "io.unitycatalog:unitycatalog-hadoop",
    "io.delta:delta-kernel-api",
    "io.delta:delta-kernel-defaults",
    "io.delta:delta-kernel-unitycatalog",
)
FETCH_SECONDS: Final = 600


def jar_folder(folder: str = "") -> Path:
    """`folder` as an absolute path, or `jars` beside the running interpreter's environment where it is empty."""
    return Path(folder).absolute() if folder else Path(sys.prefix) / "jars"


def jar_paths(folder: str = "") -> list[str]:
    """Absolute paths of the Delta jars, in the order of the class path.

    Args:
        folder: where they lie; empty takes `jars` in the virtual environment.

    Raises:
        EnvironmentUnfit: a jar is missing, or its bytes are not those of the release.
    """
    paths = [jar_folder(folder) / name for name in SHA256]
    for path in paths:
        _check(path)
    return [str(path) for path in paths]


def fetch(folder: str = "") -> list[str]:
    """Absolute paths of the Delta jars, downloaded by Spark's own Ivy where they are not there yet.

    Raises:
        EnvironmentUnfit: Java or the network is missing, or a download is not the release's.
    """
    try:
        return jar_paths(folder)
    except EnvironmentUnfit:
        target = jar_folder(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".fetch-") as work:
            _resolve(Path(work))
            for name in SHA256:
                got = Path(work) / "ivy" / "jars" / name
                _check(got)
                got.replace(target / name)
    except OSError as error:
        raise EnvironmentUnfit(
            f"The folder for the Delta jars cannot be written: {error.strerror}.",
            where=str(target),
            todo="Free the disk or make the folder writable, then run `make setup`.",
        ) from error
    return jar_paths(folder)


def main() -> None:
    """Exit code 0 with one line on stdout, or the error on stderr and exit code 1."""
    try:
        paths = fetch(sys.argv[1] if len(sys.argv) > 1 else "")
    except LarderError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    sys.stdout.write(f"Delta jars: {len(paths)} in {Path(paths[0]).parent}\n")


def _check(path: Path) -> None:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise EnvironmentUnfit(
            f"The Delta jar {path.name} cannot be read: {error.strerror}.", where=str(path), todo="Run `make setup`."
        ) from error
    if digest != SHA256[path.name]:
        raise EnvironmentUnfit(
            f"The Delta jar {path.name} is not the released one: its SHA-256 is {digest}.",
            where=str(path),
            todo="Delete the file and run `make setup`.",
        )


def _resolve(work: Path) -> None:
    """Download into `work/ivy/jars` by running an empty script under spark-submit, which starts no session."""
    script = work / "nothing.py"
    script.touch()
    home = work / "home"
    home.mkdir()
    command = [
        str(files("pyspark") / "bin" / "spark-submit"),
        f"--packages={PACKAGE}",
        f"--exclude-packages={','.join(EXCLUDED)}",
        f"--conf=spark.jars.ivy={work / 'ivy'}",
        f"--conf=spark.pyspark.python={sys.executable}",
        # Ivy looks into the local Maven repository first, where a half-made entry would stop it.
        f"--driver-java-options=-Duser.home={home}",
        str(script),
    ]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unfetched(str(error)) from error
    if ran.returncode != 0:
        raise _unfetched("\n".join((ran.stderr or ran.stdout).strip().splitlines()[-8:]))


def _unfetched(why: str) -> EnvironmentUnfit:
    return EnvironmentUnfit(
        f"The Delta jars could not be fetched: {why}",
        where=PACKAGE,
        todo="Check that Java 17 or later runs and that the network reaches a Maven repository, then run `make setup`.",
    )


if __name__ == "__main__":
    main()
