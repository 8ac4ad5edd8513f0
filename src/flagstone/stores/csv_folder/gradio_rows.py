"""
Assign the cells of a row: fields, then some of flag, username and timestamp.

Gradio's loggers never compared a row with the header. Up to Gradio 4, a row always ends with all
three; from 5 on, only with those that the flag had, regardless of the header.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations, islice
from typing import NamedTuple

from flagstone.core.records import unique_names
from flagstone.stores.csv_folder.log import Row
from flagstone.stores.csv_folder.rows import HUB_END

UNPLACED = "one more cell than the log has columns: a flag option or a user"
SURPLUS = "one more cell than the log has columns"
SHORT = "the row has fewer cells than the log has columns: which field is missing is unknown"
SURPLUS_CELL = "surplus cell"

_END_COLUMNS = ("flag", "username", "timestamp")
_NEW_LOG = re.compile(r"dataset\d*\.csv")
_MAX_WAYS = 1000

Fits = Callable[[str, str], bool]
"""Whether a cell (second argument) looks like those of the named column (first argument)."""


@dataclass
class Split:
    """The assigned cells of a row; `is_whole` if each field has exactly one."""

    fields: dict[str, str]
    option: str = ""
    user: str = ""
    timestamp: str = ""
    surplus: list[str] = field(default_factory=list)
    doubts: dict[str, str] = field(default_factory=dict)
    is_whole: bool = True


class _End(NamedTuple):
    """The cells of a row that are not fields."""

    option: str = ""
    user: str = ""
    timestamp: str = ""


class Layout:
    """
    The columns of the log *name* with this *header*; without a header they are numbered.

    `fields` are the names of the fields, `end` those of Gradio's own columns.
    """

    def __init__(self, header: Row | None, name: str) -> None:
        names = list(header or ())
        self.has_header = header is not None
        self._is_new = bool(_NEW_LOG.fullmatch(name))
        self._order = _order_of(names)
        names = [names[n] for n in self._order]
        self.end: list[str] = []
        for column in reversed(_END_COLUMNS):
            if names[-1:] == [column]:
                self.end.insert(0, names.pop())
        self.is_hub = bool(self.end) and self.end in ([*HUB_END], ["flag"])
        self.labels = names
        self.fields = unique_names(names)

    def split(self, row: Row, fits: Fits | None = None) -> Split:
        """
        Assign the cells of *row*; if some are missing, the others go where they *fit*.
        """
        width = len(self.fields) + len(self.end)
        if len(row) == width:
            row = [row[n] for n in self._order]
            fields, end = row[: len(self.fields)], row[len(self.fields) :]
            known = dict(zip(self.end, end, strict=True))
            return Split(
                self._named(fields),
                option=known.get("flag", ""),
                user=known.get("username", ""),
                timestamp=known.get("timestamp", ""),
            )
        if not self.end:
            return self._without_end(row, fits)
        return self._uneven(row, fits)

    def _uneven(self, row: Row, fits: Fits | None) -> Split:
        """Split a row that is longer or shorter than the header."""
        width = len(self.fields) + len(self.end)
        is_early = len(row) > width and moment_of(row[width - 1]) and not moment_of(row[-1])
        if "timestamp" in self.end and is_early:  # cells after a complete row
            split = self.split(row[:width])
            split.surplus += row[width:]
            split.doubts[SURPLUS_CELL] = SURPLUS
            return split
        has_all = self.end == list(_END_COLUMNS)
        body, timestamp = list(row), ""
        if "timestamp" in self.end:
            *body, timestamp = row
            if moment_of(timestamp) is None:  # cut short, or another kind of cell
                body, timestamp = list(row), ""
        more = len(body) - len(self.fields)
        most = len(_END_COLUMNS) - 1
        if has_all and not self._is_new:
            cut = max(0, len(body) - most)
            option, user, *_ = [*body[cut:], "", ""]
            end = _End(option, user, timestamp)
            return self._aligned(body[:cut], end, fits)
        if more == most:
            option, user = body[-most:]
            fields = self._named(body[:-most])
            return Split(fields, option, user, timestamp)
        if more == 1:
            return self._one_more(body, timestamp)
        if more > most:
            option, user = body[-most:]
            end = _End(option, user, timestamp)
            return self._aligned(body[:-most], end, fits)
        return self._aligned(body, _End(timestamp=timestamp), fits)

    def _one_more(self, body: Row, timestamp: str) -> Split:
        """Split a row with either flag or username: Gradio 5 did not write which one."""
        *body, cell = body
        split = Split(self._named(body), timestamp=timestamp)
        if "flag" in self.end and "username" not in self.end:
            split.option = cell  # the header has only this column
        else:
            split.surplus.append(cell)
            split.doubts[SURPLUS_CELL] = UNPLACED
        return split

    def _without_end(self, row: Row, fits: Fits | None) -> Split:
        if not self.has_header:
            return Split(self._named(row))
        return self._aligned(row, _End(), fits)

    def _aligned(self, cells: Row, end: _End, fits: Fits | None) -> Split:
        """Assign too many or too few *cells* to the fields that they fit."""
        split = Split({}, *end, is_whole=len(cells) == len(self.fields))
        if len(cells) >= len(self.fields):
            split.fields = self._named(cells)
            extra = list(split.fields)[len(self.fields) :]
            split.doubts |= dict.fromkeys(extra, SURPLUS)
        else:
            names = self._placed(cells, fits)
            split.fields = {
                **dict.fromkeys(self.fields, ""),
                **dict(zip(names, cells, strict=True)),
            }
            split.doubts |= dict.fromkeys(self.fields, SHORT)
        return split

    def _placed(self, cells: Row, fits: Fits | None) -> Sequence[str]:
        """Return the fields of *cells*, in order: the only ones that fit, else the first."""
        first = self.fields[: len(cells)]
        if fits is None:
            return first
        ways = islice(combinations(self.fields, len(cells)), _MAX_WAYS)
        fitting = [way for way in ways if all(map(fits, way, cells))]
        return fitting[0] if len(fitting) == 1 else first

    def _named(self, cells: Row) -> dict[str, str]:
        numbers = range(len(self.fields), len(cells))
        names = unique_names([*self.fields, *(f"component {n}" for n in numbers)])
        fields = dict(zip(names, cells, strict=False))
        if self.is_hub:  # next to a file is its Hub URL, which is not a field of the demo
            addresses = {f"{name} file" for name in fields} & fields.keys()
            return {name: text for name, text in fields.items() if name not in addresses}
        return fields


def moment_of(timestamp: str) -> datetime | None:
    """Parse *timestamp*, in local time unless it has a zone; None if it is not one."""
    try:
        return datetime.fromisoformat(timestamp).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _order_of(names: Row) -> list[int]:
    """Return the positions of the columns with Gradio's own last, even if a user added others."""
    places = list(range(len(names)))
    if "timestamp" not in names or names[-1] == "timestamp":
        return places
    last = len(names) - 1 - list(reversed(names)).index("timestamp")
    first = last
    while first > 0 and names[first - 1] in HUB_END:
        first -= 1
    return [*places[:first], *places[last + 1 :], *places[first : last + 1]]
