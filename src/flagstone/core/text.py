"""
Short text summaries of data for lists and tables, and safe text for terminals.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from flagstone.core.codec import FileRef
from flagstone.core.records import Flag

_VERIFIED = {
    True: "yes: the server produced these outputs from these inputs",
    False: "no: the page sent them, but the server did not produce these outputs from these inputs",
    None: "unknown",
}
_VERIFIED_BY_ORIGIN = {
    (True, "partial run"): "yes: the server produced these outputs; the run had not finished",
    (
        True,
        "cached example",
    ): "yes: the server produced these outputs once and cached them for the example",
    (None, "restored run"): "unknown: the page shows a run of another session",
    (None, "failed run"): "unknown: the call raised an error and returned no outputs",
}
_DEEPEST = 20
_MAX_INTEGER_LENGTH = 10**100  # Python converts at most 4,300 digits to text


def summarize(data: Any, most: int, depth: int = 0) -> str:  # noqa: PLR0911 - a line a kind
    """Summarize *data* in about *most* characters: files by name and size, labels by the best."""
    if depth > _DEEPEST:
        return "…"
    match data:
        case str():
            return data[:most]
        case FileRef():
            return f"{data.name} ({data.size:,} byte{'s' * (data.size != 1)})"[:most]
        case dict():
            return _spell_dict(data, most, depth)
        case list() | tuple():
            return _joined((summarize(part, most, depth + 1) for part in data[:most]), most)
        case int() if abs(data) >= _MAX_INTEGER_LENGTH:
            return f"an integer of {data.bit_length()} bits"
    return str(data)[:most]


def _spell_dict(data: dict[Any, Any], most: int, depth: int) -> str:
    match data:
        case {"label": label, "confidences": [{"confidence": float(chance)}, *_]}:
            return f"{summarize(label, most, depth + 1)} ({chance:.0%})"
        case {"label": label, "confidences": None}:
            return summarize(label, most, depth + 1)
        case {"composite": FileRef() as drawing}:
            return summarize(drawing, most)
        case {"type": str(library), "plot": str()}:
            return f"a plot by {library}"[:most]
        case {"columns": list(columns), "mark": str(mark), "data": list(rows)}:
            return f"a {mark} plot of {len(rows):,} rows: {summarize(columns, most, depth + 1)}"[
                :most
            ]
    parts = [part for part in islice(data.items(), most) if part[1] not in (None, "", [])]
    return _joined((f"{key}: {summarize(part, most, depth + 1)}" for key, part in parts), most)


def _joined(texts: Iterable[str], most: int) -> str:
    joined = ""
    for text in texts:
        joined = f"{joined}, {text}" if joined else text
        if len(joined) >= most:
            return joined[:most]
    return joined


def tell_verified(flag: Flag) -> str:
    """Return a sentence that says whether the server created the outputs of *flag*."""
    origin = str(flag.context.get("origin"))
    return _VERIFIED_BY_ORIGIN.get((flag.verified, origin), _VERIFIED[flag.verified])


def printable(text: str) -> str:
    """Return *text* with control characters and text direction marks escaped."""
    return "".join(
        char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text
    )
