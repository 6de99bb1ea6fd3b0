"""The shape of the code itself: imports, sizes, exports."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for room in ("gateway", "admin") for path in (ROOT / room).rglob("*.py"))
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCES
    # Alembic's environment and revisions are scripts that only Alembic can run.
    if "migrations" not in path.parts
)

# Lines a function may have; an exception is a line here, with its reason.
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400


def test_no_module_needs_another_first() -> None:
    """Any module can be imported by itself: no way of imports leads back to where it began."""
    graph = grimp.build_graph(
        "gateway", "admin", cache_dir=None, exclude_type_checking_imports=True
    )
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}

    assert len(list(graphlib.TopologicalSorter(imports).static_order())) >= len(MODULES)


def test_modules_import_in_silence() -> None:
    """Importing a module does nothing visible, and warns of nothing."""
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    command = [sys.executable, "-W", "error", "-c", code, *MODULES]
    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_says_what_lives_in_it(path: Path) -> None:
    """Whoever opens a file reads first what it is for, and what it gives to others."""
    tree = ast.parse(path.read_text())
    names = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    assert ast.get_docstring(tree), "no module docstring"
    exported = path.name in {"__init__.py", "__main__.py"} or "migrations" in path.parts
    assert exported or "__all__" in names, "no __all__"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes_stay_readable(path: Path) -> None:
    """A file is read in one sitting, a function on one screen."""
    text = path.read_text()
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]

    assert len(text.splitlines()) <= FILE_LINES_MAX
    assert long == []
