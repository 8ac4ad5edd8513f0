"""
Import what was flagged before: logs that Gradio wrote, and what of them can be doubted.

Gradio loses types, and alters some text, on the way to its log. What cannot be told for sure is
kept as well as it can be, and named: here, and in the `context` of each flag.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flagstone.errors import (
    NoStoreError,
    SamePlaceError,
    UnknownFieldError,
    UnreadableRecordError,
)
from flagstone.record import Flag, Record
from flagstone.store import Store
from flagstone.stores.csv_folder import CsvFolder
from flagstone.stores.csv_folder.gradio_log import GradioLog
from flagstone.sync import Synced, sync


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """One cell of a flag that may have been something else, and why."""

    flag_id: str
    field: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What an import did, or with `dry_run` would do; `kinds` is how each field was read."""

    synced: Synced
    doubts: tuple[Doubt, ...]
    kinds: dict[str, tuple[str, ...]]


def import_logs(
    path: str | Path, target: Store, *, outputs: Sequence[str] = (), dry_run: bool = False
) -> Imported:
    """
    Copy the flags in the folder *path* to *target*: logs of Gradio 3.50 to 6.x, and ours.

    *outputs* names the fields that the model made: a log does not tell. To import again adds
    nothing; with *dry_run* nothing is written. Raises `NoStoreError` where there is nothing,
    `SamePlaceError` where *target* is that folder, `UnknownFieldError` for an output that no flag
    has; nothing was copied then.
    """
    if Path(path).resolve() == Path(target.where).resolve():
        raise SamePlaceError(where=str(path))
    if not Path(path).is_dir():
        raise NoStoreError(where=str(path))
    _require_fields(outputs, path)
    with _Logs(path, outputs) as source:
        synced = sync(source, target, dry_run=dry_run)
        if synced.copied + synced.known == 0:
            raise NoStoreError(where=str(path))
        kinds = {name: tuple(sorted(found)) for name, found in source.kinds.items() if found}
        return Imported(synced=synced, doubts=tuple(source.doubts), kinds=kinds)


def _require_fields(outputs: Sequence[str], path: str | Path) -> None:
    """Raise unless each of *outputs* is a field of some flag: before anything is copied."""
    if outputs:
        with _Logs(path, ()) as source:
            for _ in source.scan():
                pass
            for name in outputs:
                if name not in source.kinds:
                    raise UnknownFieldError(field=name, fields=sorted(source.kinds))


class _Logs(CsvFolder):
    """The logs in the folder *path*, to be read, with these *outputs*; notes what they doubt."""

    def __init__(self, path: str | Path, outputs: Sequence[str]) -> None:
        super().__init__(path)
        self._outputs = outputs
        self.doubts: list[Doubt] = []
        self.kinds: dict[str, set[str]] = {}

    def scan(self, after: str | None = None) -> Iterator[Record]:
        for records in (super().scan(after), self._flags_of_hub_saver()):
            for record in records:
                if isinstance(record, Flag):
                    self._note(record)
                    yield self._with_outputs(record)
                else:
                    yield record

    def _flags_of_hub_saver(self) -> Iterator[Flag]:
        """What Gradio 4's saver left with `separate_dirs`: a directory a flag."""
        rows: dict[tuple[str, ...], list[tuple[Path, list[str]]]] = defaultdict(list)
        for path in sorted(self.path.glob("*/metadata.jsonl")):
            for number, line in enumerate(path.read_bytes().splitlines(), 1):
                cells = _cells_of(line, f"{path}, line {number}")
                rows[tuple(cells)].append((path, [str(cell) for cell in cells.values()]))
        for header, of_header in rows.items():
            cells_only = (cells for _, cells in of_header)
            log = GradioLog(header, cells_only, folder=self.path, adopt=self.files.adopt)
            for path, row in of_header:
                yield log.flag(row, path)

    def _note(self, flag: Flag) -> None:
        doubts = flag.context.get("in_doubt")
        for name, reason in doubts.items() if isinstance(doubts, dict) else ():
            self.doubts.append(Doubt(flag_id=flag.id, field=str(name), reason=str(reason)))
        for name, value in (*flag.inputs.items(), *flag.outputs.items()):
            kinds = self.kinds.setdefault(name, set())
            if value.data is not None:
                kinds.add(value.kind)

    def _with_outputs(self, flag: Flag) -> Flag:
        made = {name: flag.inputs[name] for name in self._outputs if name in flag.inputs}
        if not made:
            return flag
        inputs = {name: value for name, value in flag.inputs.items() if name not in made}
        return replace(flag, inputs=inputs, outputs={**flag.outputs, **made}, fingerprint="")


def _cells_of(line: bytes, where: str) -> dict[str, str]:
    try:
        cells = json.loads(line)
    except ValueError as error:
        raise UnreadableRecordError(where=where, reason=str(error)) from error
    if not isinstance(cells, dict):
        raise UnreadableRecordError(where=where, reason="it is no JSON object")
    return cells
