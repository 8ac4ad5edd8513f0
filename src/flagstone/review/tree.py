"""
Data of any shape for the eye: as a tree that opens branch by branch, or as a few words.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Any

from flagstone.codec import FileRef

_DEEPEST = 20
_MOST_BRANCHES = 200
_LONGEST = 2_000
_LONGEST_INTEGER = 10**100  # Python spells none of more than 4,300 digits


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


def spell(data: Any, most: int, depth: int = 0) -> str:  # noqa: PLR0911 - a line a kind
    """*data* in about *most* characters: a file by its name, a label by the one that leads."""
    if depth > _DEEPEST:
        return "…"
    match data:
        case str():
            return data[:most]
        case FileRef():
            return data.name[:most]
        case dict():
            return _spell_dict(data, most, depth)
        case list() | tuple():
            return _joined((spell(part, most, depth + 1) for part in data[:most]), most)
        case int() if abs(data) >= _LONGEST_INTEGER:
            return f"an integer of {data.bit_length()} bits"
    return str(data)[:most]


def _spell_dict(data: dict[Any, Any], most: int, depth: int) -> str:
    match data:
        case {"label": label, "confidences": [{"confidence": float(chance)}, *_]}:
            return f"{spell(label, most, depth + 1)} ({chance:.0%})"
        case {"label": label, "confidences": None}:
            return spell(label, most, depth + 1)
        case {"composite": FileRef() as drawing}:
            return spell(drawing, most)
        case {"type": str(library), "plot": str()}:
            return f"a plot by {library}"[:most]
        case {"columns": list(columns), "mark": str(mark), "data": list(rows)}:
            return f"a {mark} plot of {len(rows):,} rows: {spell(columns, most, depth + 1)}"[:most]
    parts = [part for part in islice(data.items(), most) if part[1] not in (None, "", [])]
    return _joined((f"{key}: {spell(part, most, depth + 1)}" for key, part in parts), most)


def _joined(texts: Any, most: int) -> str:
    joined = ""
    for text in texts:
        joined = f"{joined}, {text}" if joined else text
        if len(joined) >= most:
            return joined[:most]
    return joined


def _leaf(data: Any) -> str:
    match data:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[data]
        case str():
            cut = data if len(data) <= _LONGEST else f"{data[:_LONGEST]}…"
            return f'"{cut}"'
    return spell(data, _LONGEST)
