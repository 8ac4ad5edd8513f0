"""
The shape of the package: arrows point one way, the public names are few, the import is light.
"""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import flagstone

SOURCE = Path(flagstone.__file__).parent

LAYERS = [
    "cli",
    "review",
    "demo",
    "gradio",
    "testing",
    "importing",
    "logs",
    "export",
    "doctor",
    "background",
    "sync",
    "forget",
    "targets",
    "stores",
    "places",
    "staging",
    "decide",
    "query_text",
    "store",
    "passed_over",
    "query",
    "erasing",
    "files",
    "redact",
    "words",
    "when",
    "provenance",
    "record",
    "arguments",
    "as_python",
    "scratch",
    "durable",
    "locks",
    "codec",
    "errors",
    "safe_logs",
    "safe_text",
]
"""From top to bottom: a module may import those below its own, and its own."""


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name not in ("", "__main__"):
            found.append((name, path))
    return sorted(found)


def imports_of(path: Path) -> set[str]:
    """The modules of ours that *path* imports, wherever in it, without the package's name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {node.module, *names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    known = {name for name, _ in modules()}
    return {name.removeprefix("flagstone.") for name in found} & known


@pytest.mark.parametrize(("name", "path"), modules(), ids=[name for name, _ in modules()])
def test_arrows_point_down(name, path):
    """
    A module imports only modules of its own layer or of those below.
    """
    layer = LAYERS.index(name.split(".")[0])
    for imported in imports_of(path):
        assert LAYERS.index(imported.split(".")[0]) >= layer, f"{name} imports {imported}"


def test_stores_do_not_know_each_other():
    """
    A store imports no other store: what they share is below them.
    """
    stores = {"memory", "csv_folder", "sql", "shards", "group", "committed", "copied"}
    stores |= {"combined", "folders"}
    for name, path in modules():
        parts = name.split(".")
        if parts[0] == "stores" and len(parts) > 1:
            others = {i.split(".")[1] for i in imports_of(path) if i.startswith("stores.")}
            assert others <= {parts[1]}, name
            assert parts[1] in stores


def test_public_names():
    """
    What the package exports is what can be imported, sorted, and at most twenty names.
    """
    names = [name for name in vars(flagstone) if not name.startswith("_")]
    public = [n for n in names if not inspect.ismodule(getattr(flagstone, n))]

    assert flagstone.__all__ == sorted(flagstone.__all__) == sorted(public)
    assert len(flagstone.__all__) <= 20


def test_the_import_is_light():
    """
    `import flagstone` brings neither Gradio nor a database driver nor Arrow along.
    """
    code = "import sys, flagstone; print(*sorted(m.split('.')[0] for m in sys.modules))"

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    heavy = {"gradio", "gradio_client", "sqlalchemy", "sqlite3", "pyarrow", "numpy", "pandas",
             "typer", "rich", "pytest", "starlette", "pydantic"}  # fmt: skip
    assert heavy & set(run.stdout.split()) == set()


def test_everything_public_is_documented():
    """
    Every public module, class and function says what it is for.
    """
    missing = []
    for info in pkgutil.walk_packages([str(SOURCE)], "flagstone."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        if not module.__doc__:
            missing.append(info.name)
        for name, thing in vars(module).items():
            ours = getattr(thing, "__module__", None) == info.name
            if ours and not name.startswith("_") and callable(thing) and not thing.__doc__:
                missing.append(f"{info.name}.{name}")
    assert missing == []


def test_every_test_says_what_must_be_true():
    """
    Each test, ours and the contract's, has a docstring.
    """
    files = [*Path(__file__).parent.rglob("test_*.py"), SOURCE / "testing.py"]
    silent = [
        f"{path.name}: {node.name}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
