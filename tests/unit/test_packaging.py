from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["contracts", "dagster_project", "export", "features", "jobs", "models"]
LOCKS = ["build.lock", "larder.lock"]
PIN = re.compile(r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[A-Za-z0-9.!+]+)(?: ; (?P<marker>[^#\\]+?))?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def locked(lock: str) -> list[tuple[re.Match[str], list[str]]]:
    """Each requirement of a lock with its hashes; fails on text that is neither."""
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8").replace("\\\n", "\n")
    found: list[tuple[re.Match[str], list[str]]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if HASH.fullmatch(line):
            found[-1][1].append(line)
        else:
            pin = PIN.fullmatch(line)
            assert pin, f"{lock}: {line}"
            found.append((pin, []))
    return found


def versions(lock: str) -> dict[str, set[str]]:
    """Pinned versions by package; two where the Pythons differ."""
    pins: dict[str, set[str]] = {}
    for pin, _ in locked(lock):
        pins.setdefault(pin["name"], set()).add(pin["version"])
    return pins


def project() -> dict[str, object]:
    """pyproject.toml as it lies in the repository."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_wheel_holds_exactly_our_packages(tmp_path: Path) -> None:
    """The wheel has every Python file of the six packages and no other file beside its own metadata."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = zipfile.ZipFile(wheel).namelist()
    expected = {path.relative_to(ROOT).as_posix() for top in PACKAGES for path in (ROOT / top).rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == expected
    assert {name.split("/")[0] for name in names} == {*PACKAGES, "larder-0.1.0.dist-info"}


@pytest.mark.parametrize("package", PACKAGES)
def test_install_exposes_package(package: str, tmp_path: Path) -> None:
    """From any folder the environment's interpreter imports the package from this checkout."""
    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"import {package}; print({package}.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stdout.strip() == str(ROOT / package / "__init__.py"), ran.stderr


def test_no_other_distribution_owns_our_names() -> None:
    """Among all installed distributions none but larder provides one of our import names."""
    owners = packages_distributions()
    assert {name: owners[name] for name in PACKAGES if set(owners.get(name, [])) - {"larder"}} == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_is_pins_and_hashes_only(lock: str) -> None:
    """A lock consists of pinned names with SHA-256 hashes: no option, no index, no host, no URL."""
    assert locked(lock)
    assert [pin["name"] for pin, hashes in locked(lock) if not hashes] == []


def test_locks_agree() -> None:
    """A package in both locks has the same version in both, so that the second install changes nothing."""
    build, larder = map(versions, LOCKS)
    assert {name: build[name] for name in build.keys() & larder} == {
        name: larder[name] for name in build.keys() & larder
    }


def test_lock_satisfies_project() -> None:
    """Every requirement that pyproject.toml states is pinned in its lock, at a version that it allows."""
    tree = project()
    stated, groups = tree["project"], tree["dependency-groups"]
    assert isinstance(stated, dict)
    assert isinstance(groups, dict)
    wanted = {
        "build.lock": groups["build"],
        "larder.lock": [*stated["dependencies"], *stated["optional-dependencies"]["demo"], *groups["dev"]],
    }
    for lock, requirements in wanted.items():
        pins = versions(lock)
        for requirement in map(Requirement, requirements):
            got = pins.get(canonicalize_name(requirement.name), set())
            assert got, f"{lock}: {requirement} is not there"
            assert all(requirement.specifier.contains(version) for version in got), f"{lock}: {requirement} got {got}"


def test_build_requirements_are_locked() -> None:
    """What the project and pyspark are built with comes from build.lock, installed before anything is built."""
    tree = project()["build-system"]
    assert isinstance(tree, dict)
    assert {Requirement(line).name for line in tree["requires"]} | {"setuptools"} <= versions("build.lock").keys()
