"""
Data of any shape for the eye: a tree that opens branch by branch.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Any

from flagstone.codec import FileRef
from flagstone.words import spell

_DEEPEST = 20
_MOST_BRANCHES = 200
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Node:
    """A branch with its *branches* by name, or a leaf with a *text*; of what `kind` it is."""

    kind: str
    text: str
    branches: tuple[tuple[str, "Node"], ...] = ()
    more: int = 0
    file: FileRef | None = None


def tree_of(data: Any, depth: int = 0) -> Node:
    """*data* as a tree, no deeper and no wider than can be looked at."""
    match data:
        case FileRef():
            return Node("file", data.name, file=data)
        case dict() | list() | tuple() if depth >= _DEEPEST:
            return Node("leaf", "…")
        case dict():
            parts = [(spell(key, 100), part) for key, part in islice(data.items(), _MOST_BRANCHES)]
            text = f"{{{len(data)}}}"
        case list() | tuple():
            parts = [(str(n), part) for n, part in enumerate(data[:_MOST_BRANCHES])]
            text = f"[{len(data)}]"
        case _:
            return Node("leaf", _leaf(data))
    branches = tuple((name, tree_of(part, depth + 1)) for name, part in parts)
    return Node("branch", text, branches, more=len(data) - len(branches))


def _leaf(data: Any) -> str:
    match data:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[data]
        case str():
            cut = data if len(data) <= _LONGEST else f"{data[:_LONGEST]}…"
            return f'"{cut}"'
    return spell(data, _LONGEST)
