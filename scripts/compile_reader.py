"""Hatch's hook that compiles the reader of packed records; without a C compiler Larder is installed without it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension  # type: ignore[import-untyped]  # it has no stubs
from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]
from setuptools.errors import BaseError  # type: ignore[import-untyped]

MODULE: Final = "export.format._compiled"
SOURCE: Final = "export/format/_compiled.pyx"


class CompiledReader(BuildHookInterface):  # type: ignore[type-arg]  # its configuration is not looked at
    """Compiles the reader beside its source, where an editable install finds it and a wheel takes it from."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """The wheel is of this machine's kind where the reader was compiled, and of any where it was not."""
        for old in Path(self.root).glob("export/format/_compiled.*.so"):
            old.unlink()
        try:
            _compile()
        except (BaseError, OSError) as error:
            self.app.display_warning(f"The compiled reader was not built, lookups take twice as long: {error}")
            return
        build_data["artifacts"].append("export/format/_compiled.*.so")
        build_data["pure_python"], build_data["infer_tag"] = False, True


def _compile() -> None:
    with tempfile.TemporaryDirectory(prefix="larder-build-") as folder:
        extensions = cythonize(  # type: ignore[no-untyped-call]
            [Extension(MODULE, [SOURCE])], build_dir=folder, language_level=3, quiet=True
        )
        command = build_ext(Distribution({"name": "larder", "ext_modules": extensions}))
        command.inplace, command.build_temp = True, folder
        command.ensure_finalized()
        command.run()
