"""
Load a demo from its file, `app.py:demo`, without serving it.

While the file is loaded, `demo.launch()` does nothing.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio
import uvicorn
from gradio.blocks import Blocks

from flagstone.errors import UnloadableDemoError

_DEFAULT = "demo"


def load_demo(target: str) -> Blocks:
    """
    Return the demo that *target* names: `app.py:demo` or `package.module:demo`.

    Without a name it is `demo`, or the only demo in the module. Nothing is served. Raises
    `UnloadableDemoError`.
    """
    place, name = _parts_of(target)
    # Its output must not mix with ours.
    with _not_serving() as launched, redirect_stdout(sys.stderr):
        module = _load(place, target)
    return _demo_in(module, name, launched, target)


def _parts_of(target: str) -> tuple[str, str]:
    """Return the file or module, and the name in it; a Windows drive colon does not count."""
    place, colon, name = target.rpartition(":")
    if not colon or "/" in name or "\\" in name:
        return target, ""
    return place, name


def _load(place: str, target: str) -> ModuleType:
    path = Path(place)
    argv = sys.argv
    sys.argv = [place]
    try:
        return _run(path) if path.suffix == ".py" else _import(place, target)
    except UnloadableDemoError:
        raise
    except FileNotFoundError as error:
        if not path.exists():
            raise UnloadableDemoError(target=target, reason=f"there is no {place}") from error
        raise UnloadableDemoError(target=target, reason=_told(error)) from error
    except (Exception, SystemExit) as error:
        raise UnloadableDemoError(target=target, reason=_told(error)) from error
    finally:
        sys.argv = argv


def _run(path: Path) -> ModuleType:
    """Run the file *path* as a module, which may import files of its folder."""
    folder = str(path.resolve().parent)
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else "_demo"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    sys.modules[name] = module  # dataclasses and pickle look it up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        sys.path.remove(folder)
    return module


def _import(place: str, target: str) -> ModuleType:
    """Import the module *place*, from the working directory or installed."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name and (place == error.name or place.startswith(f"{error.name}.")):
            reason = f"there is no file or module {place}"
            raise UnloadableDemoError(target=target, reason=reason) from error
        raise
    finally:
        sys.path.remove(folder)


def _demo_in(module: ModuleType, name: str, launched: list[Blocks], target: str) -> Blocks:
    found = getattr(module, name or _DEFAULT, None)
    if isinstance(found, Blocks):
        return found
    if name and found is not None:
        reason = f"its {name} is a {type(found).__name__}, not a Gradio demo"
        raise UnloadableDemoError(target=target, reason=reason)
    demos = {n: demo for n, demo in vars(module).items() if isinstance(demo, Blocks)}
    only = {id(demo): demo for demo in (*demos.values(), *launched)}
    if not name and len(only) == 1:
        return next(iter(only.values()))
    there = f"its demos are {', '.join(demos)}" if demos else "it contains no demos"
    reason = f"it has no {name or _DEFAULT}: {there}"
    raise UnloadableDemoError(target=target, reason=reason)


@contextmanager
def _not_serving() -> Iterator[list[Blocks]]:
    """Keep loaded code from serving; yield the list of demos that it tried to launch."""
    launched: list[Blocks] = []

    def launch(self: Blocks, *_: Any, **__: Any) -> tuple[None, str, str]:
        launched.append(self)
        return None, "", ""

    def pass_over(*_: Any, **__: Any) -> None:
        """Replace functions that would serve, or block while serving."""

    replaced: list[tuple[Any, str, Any]] = [
        (owner, name, vars(owner)[name])
        for owner in _classes_of_demos()
        for name in ("launch", "block_thread")
        if name in vars(owner)
    ]
    for owner, name, _ in replaced:
        setattr(owner, name, launch if name == "launch" else pass_over)
    others: list[tuple[Any, str]] = [(uvicorn, "run"), (uvicorn.Server, "run")]
    replaced += [(owner, name, getattr(owner, name)) for owner, name in others]
    for owner, name in others:
        setattr(owner, name, pass_over)
    try:
        yield launched
    finally:
        for owner, name, original in replaced:
            setattr(owner, name, original)


def _classes_of_demos() -> set[type[Blocks]]:
    """Return Blocks and all its subclasses, since each may have its own `launch`."""
    found: set[type[Blocks]] = set()
    waiting: list[type[Blocks]] = [gradio.Blocks]
    while waiting:
        each = waiting.pop()
        found.add(each)
        waiting += each.__subclasses__()
    return found


def _told(error: BaseException) -> str:
    return f"it raised {type(error).__name__}: {error}"
