"""
Data of any shape as a tree whose branches can be opened.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Any

from flagstone.core.codec import FileRef
from flagstone.core.text import summarize

_DEEPEST = 20
_MAX_BRANCHES = 200
_MAX_LENGTH = 2_000
_MAX_NODES = 2_000
_MAX_TEXT = 200_000


@dataclass(frozen=True, slots=True)
class Node:
    """A branch with its *branches* by name, a leaf with a *text*, or a file; *kind* says which."""

    kind: str
    text: str
    branches: tuple[tuple[str, "Node"], ...] = ()
    more: int = 0
    file: FileRef | None = None


def tree_of(data: Any) -> Node:
    """Return *data* as a tree of limited depth, width and size."""
    return _tree_of(data, 0, _Room())


@dataclass(slots=True)
class _Room:
    """The nodes and characters that a tree may still use."""

    nodes: int = _MAX_NODES
    text: int = _MAX_TEXT

    def take(self, node: Node) -> Node:
        self.nodes -= 1
        self.text -= len(node.text) + (len(node.file.name) if node.file else 0)
        return node

    @property
    def is_full(self) -> bool:
        return self.nodes <= 0 or self.text <= 0


def _tree_of(data: Any, depth: int, room: _Room) -> Node:
    match data:
        case FileRef():
            return room.take(Node("file", data.name, file=data))
        case dict() | list() | tuple() if depth >= _DEEPEST:
            return room.take(Node("leaf", "…"))
        case dict():
            parts = [
                (summarize(key, 100), part) for key, part in islice(data.items(), _MAX_BRANCHES)
            ]
            text = f"{{{len(data)}}}"
        case list() | tuple():
            parts = [(str(n), part) for n, part in enumerate(data[:_MAX_BRANCHES])]
            text = f"[{len(data)}]"
        case _:
            return room.take(Node("leaf", _leaf(data)))
    branches = tuple(
        (name, _tree_of(part, depth + 1, room)) for name, part in parts if not room.is_full
    )
    room.nodes -= 1
    return Node("branch", text, branches, more=len(data) - len(branches))


def _leaf(data: Any) -> str:
    match data:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[data]
        case str():
            cut = data if len(data) <= _MAX_LENGTH else f"{data[:_MAX_LENGTH]}…"
            return f'"{cut}"'
    return summarize(data, _MAX_LENGTH)
