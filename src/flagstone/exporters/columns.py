"""
Flags as a table with typed columns, shared by Parquet, JSONL and CSV.

Fixed columns come first, then a column `inputs.NAME`, `outputs.NAME` or `correction.NAME` for each
field of any flag. Its type is the common type of its values, or text if they have none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Literal

from flagstone.core import codec
from flagstone.core.codec import FileRef
from flagstone.core.records import unique_names
from flagstone.exporters.source import Flagged, FlagsInOrder

Type = Literal["text", "texts", "moment", "boolean", "number", "image", "audio"]

SECTIONS = ("inputs", "outputs", "correction")
FIXED: dict[str, Type] = {
    "id": "text",
    "created_at": "moment",
    "app": "text",
    "option": "text",
    "comment": "text",
    "user": "text",
    "session": "text",
    "verified": "boolean",
    "fingerprint": "text",
    "verdict": "text",
    "assignee": "text",
    "tags": "texts",
    "notes": "texts",
    "context": "text",
}
_EXACT = 2**53
"""Up to this, floats represent every integer exactly."""

_MAX_INTEGER_LENGTH = 10**4000  # Python's limit for str(int) is 4,300 digits

MEDIA: frozenset[Type] = frozenset(["image", "audio"])

Batch = list[list[Any]]
"""Some rows: a list of cells for each column."""

Place = Callable[[FileRef], str]
"""Adds a file to the export and returns its path."""


_Field = tuple[str, str]
"""A section, and the name of a field in it."""

_Value = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of the table: its name, its type, and the field it shows, if any."""

    name: str
    type: Type
    field: _Field | None = None


class MisfitError(Exception):
    """A flag that does not fit the columns, which were derived from other flags."""


class Table:
    """
    The columns of *flags*, and their rows, in batches.

    *place* adds a file to the export and returns its path; with *embedded*, images and audio stay
    `FileRef`.
    """

    def __init__(self, flags: FlagsInOrder, place: Place, *, embedded: bool = False) -> None:
        self._flags = flags
        self._place = place
        self._embedded = embedded
        self._met: dict[tuple[str, str], _Met] = {}
        self.columns: list[Column] = []

    def write(self, write: Callable[["Table"], int]) -> int:
        """
        Call *write* with columns derived from the first flags, and return its result.

        If a later flag does not fit, derive the columns from all flags and call *write* again.
        """
        try:
            self._look(islice(self._flags.batches(), 1))
            return write(self)
        except MisfitError:
            self._look(self._flags.batches())
            return write(self)

    def batches(self) -> Iterator[Batch]:
        """Yield the rows. Raises `MisfitError` if a flag needs other columns."""
        for flags in self._flags.batches():
            values = self._meet(flags)
            present = set().union(*flags)
            if [(key, met.type) for key, met in self._met.items()] != self._settled:
                raise MisfitError
            empty = [None] * len(flags)
            yield [
                self._cells(column, values.get(column.field) or empty)
                if column.field
                else self._fixed_cells(column.name, flags)
                if column.name in present
                else empty
                for column in self.columns
            ]

    def _meet(self, flags: Sequence[Flagged]) -> dict[_Field, list[_Value | None]]:
        """Return the values of these flags by field, and record their kinds."""
        met: dict[_Field, list[_Value | None]] = {}
        for section in SECTIONS:
            fields = [flag.get(section) or _NONE for flag in flags]
            for name in _names_in(fields):
                values = [field.get(name) for field in fields]
                self._met.setdefault((section, name), _Met()).meet(values)
                met[section, name] = values
        return met

    def _look(self, batches: Iterable[Sequence[Flagged]]) -> None:
        """Derive the columns from these flags."""
        for flags in batches:
            self._meet(flags)
        self._settled = [(key, met.type) for key, met in self._met.items()]
        fields = sorted(self._settled, key=lambda met: SECTIONS.index(met[0][0]))
        names = unique_names(".".join(key) for key, _ in fields)
        fixed = [Column(name=name, type=kind) for name, kind in FIXED.items()]
        self.columns = fixed + [
            Column(name=name, type=kind, field=key)
            for name, (key, kind) in zip(names, fields, strict=True)
        ]

    def _fixed_cells(self, name: str, flags: Sequence[Flagged]) -> list[Any]:
        cells = [flag.get(name) for flag in flags]
        return [_json(cell, self._place) for cell in cells] if name == "context" else cells

    def _cells(self, column: Column, values: Sequence[_Value | None]) -> list[Any]:
        data = [value and value.get("data") for value in values]
        if column.type == "number":
            return [float(datum) if type(datum) is int else datum for datum in data]
        if column.type in MEDIA:
            refs = [_medium_in(datum) for datum in data]
            return refs if self._embedded else [ref and self._place(ref) for ref in refs]
        if column.type == "text" and not set(map(type, data)) <= _TEXT:
            return [value and text_of(value, self._place) for value in values]
        return data


def _names_in(fields: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Return the names in *fields*, in order of first appearance."""
    first = fields[0].keys()
    return first if set().union(*fields) == first else dict.fromkeys(chain.from_iterable(fields))


@dataclass(kw_only=True, slots=True)
class _Met:
    """The kinds of a field's values, and whether all values fit their kind."""

    kinds: set[str] = field(default_factory=set)
    fits: bool = True

    def meet(self, values: Sequence[_Value | None]) -> None:
        self.kinds |= {value["kind"] for value in values if value}
        for kind in self.kinds & _FITS.keys():
            data = (value.get("data") for value in values if value)
            self.fits = self.fits and all(datum is None or _FITS[kind](datum) for datum in data)

    @property
    def type(self) -> Type:
        (kind,) = self.kinds if len(self.kinds) == 1 else ("text",)
        return _TYPES.get(kind, "text") if self.fits else "text"


def text_of(value: _Value, place: Place) -> str | None:
    """
    Return the data of a *value* as text: a label's name, a file's path, or else JSON.
    """
    data = value.get("data")
    if type(data) is str or data is None:
        return data
    if value["kind"] == "label" and isinstance(data, dict) and isinstance(data.get("label"), str):
        return str(data["label"])
    return place(data) if isinstance(data, FileRef) else _json(data, place)


def _json(data: Any, place: Place) -> str | None:
    if data is None:
        return None
    if type(data) is int:
        return str(data) if abs(data) < _MAX_INTEGER_LENGTH else hex(data)
    return codec.dumps(_with_places(data, place))


def _with_places(data: Any, place: Place) -> Any:
    match data:
        case FileRef():
            return place(data)
        case dict():
            return {key: _with_places(part, place) for key, part in data.items()}
        case list() | tuple():
            return [_with_places(part, place) for part in data]
    return data


def _is_exact(data: Any) -> bool:
    """Return whether *data* is a number that a float represents exactly."""
    return type(data) is float or (type(data) is int and abs(data) <= _EXACT)


def _is_file(data: Any) -> bool:
    return isinstance(data, FileRef)


def _is_drawing(data: Any) -> bool:
    return isinstance(data, dict) and _is_file(data.get("composite"))


def _medium_in(data: Any) -> FileRef | None:
    """Return the file in *data*; for a drawing its composite, not its layers."""
    ref: FileRef | None = data["composite"] if isinstance(data, dict) else data
    return ref


_NONE: dict[str, _Value] = {}
_TEXT = {str, type(None)}
_FITS: dict[str, Callable[[Any], bool]] = {
    "boolean": lambda data: type(data) is bool,
    "number": _is_exact,
    "image": _is_file,
    "image_editor": _is_drawing,
    "audio": _is_file,
}
_TYPES: dict[str, Type] = {
    "boolean": "boolean",
    "number": "number",
    "image": "image",
    "image_editor": "image",
    "audio": "audio",
}
