"""
Import logs that Gradio wrote, and report ambiguous values.

Gradio's log loses types and alters some text. An ambiguous value is imported as the best guess and
reported, in the result and in the `context` of its flag. If the demo's components are given, fields
are read by them instead of guessed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flagstone.core.records import Flag, Value
from flagstone.errors import (
    NoStoreError,
    OtherDemoError,
    SamePlaceError,
    UnknownFieldError,
)
from flagstone.operations.gradio_logs import Logs, folders_with_logs
from flagstone.operations.sync import SyncResult, copy_files, sync
from flagstone.stores.base import Store
from flagstone.stores.csv_folder.gradio_cells import Field
from flagstone.stores.csv_folder.gradio_log import READ_BY_DEMO
from flagstone.stores.csv_folder.reader import Hints

__all__ = ["AmbiguousCell", "Field", "ImportResult", "import_gradio_logs"]

_OUTPUT = re.compile(r"output( \d+)?|label", re.IGNORECASE)
"""Gradio's default labels for the outputs of an Interface."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AmbiguousCell:
    """A cell of a flag that may originally have had another value, and why."""

    flag_id: str
    field: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportResult:
    """
    The result of an import, or with `dry_run` what it would be.

    `kinds` maps each field to the kinds of its values. `corrected` counts flags that were imported
    before and are now as this import reads them. `guessed` are fields assumed to be outputs by
    their names.
    """

    synced: SyncResult
    doubts: tuple[AmbiguousCell, ...]
    kinds: dict[str, tuple[str, ...]]
    corrected: int = 0
    guessed: tuple[str, ...] = ()


def import_gradio_logs(
    path: str | Path,
    target: Store,
    *,
    outputs: Sequence[str] = (),
    fields: Sequence[Field] = (),
    encoding: str | None = None,
    dry_run: bool = False,
) -> ImportResult:
    """
    Copy the flags in the logs at *path* to *target*: logs of Gradio 2 to 6, and of Flagstone.

    *path* is a log, a folder of logs, or a project with such folders in it. *outputs* names the
    fields that the model produced, which a log does not record. *fields* also gives the type of
    each field; `flagstone.gradio.demos.log_fields` creates it. With either, flags that were
    imported before are corrected; otherwise importing again changes nothing. *encoding* is the
    encoding of the logs, if it cannot be detected. With *dry_run*, nothing is written.

    Raises `NoStoreError` if there are no flags, `SamePlaceError` if *target* is that folder,
    `UnknownFieldError` for an output that no flag has, `OtherDemoError` if *fields* belong to
    another demo, and `UnreadableRecordError` for an invalid line. Then nothing is copied.
    """
    roles = _Roles(outputs, fields)
    hints = Hints(encoding=encoding, fields=tuple(fields), waits=True)
    if Path(path).resolve() == Path(target.location).resolve():
        raise SamePlaceError(where=str(path))
    here = Path(target.location).resolve()
    folders = [each for each in folders_with_logs(Path(path), hints) if each[0].resolve() != here]
    known: set[str] = set()
    is_empty, is_by_demo = True, False
    for folder, names in folders:  # read all before copying anything
        with _Source(folder, names, hints, roles) as source:
            is_empty = sum(1 for _ in source.scan()) == 0 and is_empty
            known |= source.kinds.keys()
            is_by_demo = is_by_demo or source.is_by_demo
    if is_empty:
        raise NoStoreError(where=str(path))
    if fields and not is_by_demo and known.isdisjoint(field.name for field in fields):
        raise OtherDemoError(demo=[field.name for field in fields], log=sorted(known))
    for name in outputs:
        if name not in known:
            raise UnknownFieldError(field=name, fields=sorted(known))
    return _sum(
        [_import(_Source(*each, hints, roles), target, roles, dry_run=dry_run) for each in folders]
    )


def _import(source: "_Source", target: Store, roles: "_Roles", *, dry_run: bool) -> ImportResult:
    with source:
        changed = list(_changed(source, target)) if roles.are_said else []
        if changed and not dry_run:
            copy_files(changed, source, target)
            target.replace(changed)
        source.clear()
        synced = sync(source, target, dry_run=dry_run)
        kinds = {name: tuple(sorted(found)) for name, found in source.kinds.items() if found}
        return ImportResult(
            synced=replace(synced, known=synced.known - len(changed)),
            doubts=tuple(source.doubts),
            kinds=kinds,
            corrected=len(changed),
            guessed=tuple(source.guessed),
        )


def _changed(source: "_Source", target: Store) -> Iterator[Flag]:
    """Yield the flags of *source* that differ in *target*."""
    flags = [flag for flag in source.scan() if isinstance(flag, Flag) and _is_read(flag)]
    for start in range(0, len(flags), target.most_at_once):
        batch = {flag.id: flag for flag in flags[start : start + target.most_at_once]}
        for flag_id, state in target.states(batch).items():
            if not _is_same(state.flag, batch[flag_id]):
                yield batch[flag_id]


def _is_same(one: Flag, other: Flag) -> bool:
    """Return whether two flags of one row have the same fields."""
    return (*_items(one.inputs), *_items(one.context)) == (
        *_items(other.inputs), *_items(other.context),
    ) and _items(one.outputs) == _items(other.outputs)  # fmt: skip


def _items(values: object) -> tuple[object, ...]:
    return tuple(dict(values).items())  # type: ignore[call-overload]


def _is_read(flag: Flag) -> bool:
    """Return whether *flag* was read from cells, not from a complete record."""
    return "read_from" in flag.context


class _Roles:
    """Decides which fields are outputs: by *outputs*, the demo's *fields*, or else their names."""

    def __init__(self, outputs: Sequence[str], fields: Sequence[Field]) -> None:
        self._outputs = outputs
        self.are_said = bool(outputs or fields)

    def apply(self, flag: Flag) -> tuple[Flag, list[str]]:
        """Return *flag* with its outputs, and the names of guessed outputs."""
        if not _is_read(flag):
            return flag, []
        if self.are_said:
            made = self._outputs or list(flag.outputs)
            return _with_outputs(flag, made, "declared"), []
        guessed = [] if flag.outputs else _obvious(list(flag.inputs))
        known = "guessed" if guessed else "unknown"
        return (flag if flag.outputs else _with_outputs(flag, guessed, known)), guessed


def _with_outputs(flag: Flag, outputs: Iterable[str], known: str) -> Flag:
    values: dict[str, Value] = {**flag.inputs, **flag.outputs}
    made = {name: value for name, value in values.items() if name in outputs}
    inputs = {name: value for name, value in values.items() if name not in made}
    context = {**flag.context, "outputs_are": known}
    return replace(flag, inputs=inputs, outputs=made, context=context, fingerprint="")


def _obvious(names: list[str]) -> list[str]:
    """Return the last of *names* that are Gradio's default output labels; never all of them."""
    first = len(names)
    while first > 0 and _OUTPUT.fullmatch(names[first - 1]):
        first -= 1
    return names[first:] if first else []


class _Source(Logs):
    """Logs with their outputs assigned; records how fields were read, and ambiguous cells."""

    def __init__(
        self, path: Path, names: frozenset[str] | None, hints: Hints, roles: _Roles
    ) -> None:
        super().__init__(path, names, hints)
        self._roles = roles
        self.clear()

    def clear(self) -> None:
        """Clear what was recorded."""
        self.doubts: list[AmbiguousCell] = []
        self.kinds: dict[str, set[str]] = {}
        self.guessed: dict[str, None] = {}
        self.is_by_demo = False

    def as_read(self, flag: Flag) -> Flag:
        flag, guessed = self._roles.apply(flag)
        self.guessed |= dict.fromkeys(guessed)
        self.is_by_demo = self.is_by_demo or flag.context.get("read_from") == READ_BY_DEMO
        doubts = flag.context.get("in_doubt")
        for name, reason in doubts.items() if isinstance(doubts, dict) else ():
            self.doubts.append(AmbiguousCell(flag_id=flag.id, field=str(name), reason=str(reason)))
        for name, value in (*flag.inputs.items(), *flag.outputs.items()):
            kinds = self.kinds.setdefault(name, set())
            if value.data is not None:
                kinds.add(value.kind)
        return flag


def _sum(parts: Sequence[ImportResult]) -> ImportResult:
    """Return the total of *parts*."""
    kinds: dict[str, set[str]] = {}
    for part in parts:
        for name, found in part.kinds.items():
            kinds.setdefault(name, set()).update(found)
    synced = [part.synced for part in parts]
    return ImportResult(
        synced=SyncResult(
            copied=sum(each.copied for each in synced),
            known=sum(each.known for each in synced),
            files=sum(each.files for each in synced),
        ),
        doubts=tuple(doubt for part in parts for doubt in part.doubts),
        kinds={name: tuple(sorted(found)) for name, found in kinds.items()},
        corrected=sum(part.corrected for part in parts),
        guessed=tuple(dict.fromkeys(name for part in parts for name in part.guessed)),
    )
