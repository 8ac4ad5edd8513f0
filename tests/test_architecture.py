"""
The shape of the package: arrows point one way, the public names are few, the import is light.
"""

import ast
import importlib
import pkgutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import flagstone

SOURCE = Path(flagstone.__file__).parent

FLOORS = [
    {"cli"},
    {"demo"},
    {"gradio", "review"},
    {"operations", "exporters", "testing"},
    {"stores"},
    {"redact", "filters", "blobs"},
    {"core"},
    {"fs"},
    {"errors"},
]
"""The rooms of the package from top to bottom: a room imports only from rooms further down."""

MAX_ROOMS, MAX_ARROWS = 20, 60
MAX_ROOMS_INSIDE = 14


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


def arrows_between(rooms: int, below: str = "") -> set[tuple[str, str]]:
    """Which of the packages and modules at this depth import which others."""
    found = set()
    for name, path in modules():
        for imported in imports_of(path):
            ends = [each.split(".") for each in (name, imported) if each.startswith(below)]
            if len(ends) == 2 and all(len(end) > rooms for end in ends):
                found.add((ends[0][rooms], ends[1][rooms]))
    return {(source, target) for source, target in found if source != target}


def test_arrows_point_down():
    """
    A room imports only from rooms on lower floors, and there are few arrows.
    """
    floor_of = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
    arrows = arrows_between(0)

    assert {name.split(".")[0] for name, _ in modules()} == floor_of.keys()
    assert [arrow for arrow in arrows if floor_of[arrow[0]] >= floor_of[arrow[1]]] == []
    assert len(floor_of) <= MAX_ROOMS
    print(f"{len(floor_of)} rooms on {len(FLOORS)} floors, {len(arrows)} arrows")  # noqa: T201
    assert len(arrows) <= MAX_ARROWS


@pytest.mark.parametrize("package", ["gradio", "review"])
def test_arrows_within_a_package_make_no_circle(package):
    """
    The rooms of a large package are few, and can be put in an order in which all arrows point down.
    """
    arrows = arrows_between(1, f"{package}.")
    graph: dict[str, set[str]] = {}
    for source, target in arrows:
        graph.setdefault(source, set()).add(target)
    rooms = {name.split(".")[1] for name, _ in modules() if name.startswith(f"{package}.")}
    print(f"{package}: {len(rooms)} rooms, {len(arrows)} arrows")  # noqa: T201

    assert len(list(TopologicalSorter(graph).static_order())) <= len(rooms)
    assert len(rooms) <= MAX_ROOMS_INSIDE


def test_stores_do_not_know_each_other():
    """
    A store imports no other store: what they share is below them.
    """
    kinds = {"memory", "csv_folder", "sql", "parquet", "hub_legacy"}
    layouts_of_folders = {("hub_legacy", "csv_folder")}
    arrows = {
        (source, target)
        for source, target in arrows_between(1, "stores.")
        if source in kinds and target not in {"base", "files", "erasures", "skipped"}
    }
    assert arrows == layouts_of_folders


PUBLIC = {
    "flagstone": [
        "FileRef", "Flag", "FlagstoneError", "Outcome", "Query", "Record", "Review", "State",
        "Store", "Value", "check_store", "decide", "export", "forget", "import_gradio_logs",
        "open_store", "parse_query", "sync",
    ],
    "flagstone.stores": [
        "DirectoryFiles", "Files", "MemoryStore", "PreparedStore", "Store", "StoreWrapper",
        "open_store", "record_from_json", "replace_durably", "require_files", "with_index",
    ],
    "flagstone.review": ["ROLES", "Person", "Role", "Users", "create_app"],
    "flagstone.testing": [
        "EXACT_TEXTS", "FailingStore", "SlowStore", "StoreTests", "make_flag",
    ],
}  # fmt: skip
"""All that outsiders import, beside Gradio's names and ours in `flagstone.gradio`."""


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names(module):
    """
    What a public module exports is listed here, can be imported, and is documented.
    """
    found = importlib.import_module(module)

    assert found.__all__ == PUBLIC[module]
    assert set(found.__all__) <= set(dir(found))
    constants = {"EXACT_TEXTS", "ROLES", "Role", "Record"}
    assert [n for n in found.__all__ if n not in constants and not getattr(found, n).__doc__] == []


def test_an_unknown_name_is_an_attribute_error():
    """
    The package says so as any module does.
    """
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = flagstone.nothing


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
