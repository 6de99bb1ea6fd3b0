"""Compiles the way of a request with mypyc, for those who ask for it (docs/performance.md, "Compiled").

python hatch_build.py FOLDER     compiles in a copy of the tree, beside the sources
HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 pip wheel .     makes a wheel that holds the compiled modules, too

What is compiled is the same source; without a compiler it runs as it is. mypy and setuptools must be there.
"""

__all__ = ["KeywrightBuildHook"]

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# All that an ordinary request goes through, and what calls each other there. What only waits for I/O gains nothing.
# Not core/meter.py: a meter goes when nobody refers to it any more, and compiled classes know no weak references.
MODULES = (
    *(
        f"gateway/core/{name}.py"
        for name in (
            "appetite",
            "busiest",
            "credential",
            "headers",
            "journal",
            "key_state",
            "keys",
            "leases",
            "limits",
            "meters",
            "paths",
            "problem",
            "quota",
            "quota_fields",
            "record",
            "routes",
            "scopes",
            "tab",
            "token",
            "tracing",
        )
    ),
    *(
        f"gateway/pipeline/{name}.py"
        for name in (
            "admission",
            "counting",
            "exchange",
            "freshness",
            "inquiry",
            "known",
            "terms",
        )
    ),
    *(
        f"gateway/http/{name}.py"
        for name in (
            "bounds",
            "express",
            "express_call",
            "field_block",
            "front",
            "load",
            "render",
            "terms",
        )
    ),
    *(
        f"gateway/upstream/{name}.py"
        for name in ("client", "connection", "pool", "targets", "wire")
    ),
    "gateway/stores/guarded.py",
    "gateway/stores/notes.py",
    "gateway/usage/journal.py",
    "gateway/metrics.py",
)
_GROUP = "keywright"


def compile_in(folder: Path) -> list[Path]:
    """Compile MODULES beside their sources in `folder`; returns the files that were made.

    Raises subprocess.CalledProcessError; what mypy or the compiler said is on standard error then.
    """
    done = subprocess.run(  # noqa: S603 -- ourselves
        [sys.executable, str(Path(__file__).absolute()), "--here"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        done.check_returncode()
    return sorted(path for path in folder.rglob("*.so") if ".mypyc" not in path.parts)


def _compile_here() -> None:
    # Only where something is compiled are these needed.
    from mypyc.build import mypycify  # noqa: PLC0415
    from setuptools import setup  # type: ignore[import-untyped]  # noqa: PLC0415

    modules = mypycify(
        ["--follow-imports=silent", *MODULES],
        opt_level=os.environ.get("KEYWRIGHT_OPTIMIZE", "3"),
        group_name=_GROUP,
        target_dir=".mypyc",
    )
    setup(
        name=_GROUP,
        packages=[],
        ext_modules=modules,
        script_args=["--quiet", "build_ext", "--inplace", "--build-temp", ".mypyc"],
    )


class KeywrightBuildHook(BuildHookInterface[Any]):
    """Puts the compiled modules into the wheel, which is then one for this platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless what is built is an editable installation."""
        if version == "editable":
            return
        self._folder = Path(tempfile.mkdtemp(prefix="keywright-"))
        root = Path(self.root)
        shutil.copytree(root / "gateway", self._folder / "gateway")
        shutil.copy(root / "pyproject.toml", self._folder)
        for made in compile_in(self._folder):
            build_data["force_include"][str(made)] = str(made.relative_to(self._folder))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Nothing of it stays."""
        if version != "editable":
            shutil.rmtree(self._folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--here"]:
        _compile_here()
    else:
        compile_in(Path(sys.argv[1]))
