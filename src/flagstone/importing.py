"""
Import what was flagged before: logs that Gradio wrote, and what of them can be doubted.

Gradio loses types, and alters some text, on the way to its log. What cannot be told for sure is
kept as well as it can be, and named: here, and in the `context` of each flag.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flagstone.errors import NoStoreError
from flagstone.record import Flag, Record
from flagstone.store import Store, Wrapper
from flagstone.stores import open_store
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
    Copy the flags in the folder *path* to *target*: logs of Gradio 3.50 to 6.x, or a store.

    *outputs* names the fields that the model made: a log does not tell. To import again adds
    nothing; with *dry_run* nothing is written. Raises `NoStoreError` where there is nothing.
    """
    if not Path(path).is_dir():
        raise NoStoreError(where=str(path))
    with _Reading(open_store(path), outputs) as source:
        synced = sync(source, target, dry_run=dry_run)
        if synced.copied + synced.known == 0:
            raise NoStoreError(where=str(path))
        kinds = {name: tuple(sorted(found)) for name, found in source.kinds.items()}
        return Imported(synced=synced, doubts=tuple(source.doubts), kinds=kinds)


class _Reading(Wrapper):
    """*store*, with these fields as *outputs*; notes what its flags doubt."""

    def __init__(self, store: Store, outputs: Sequence[str]) -> None:
        super().__init__(store)
        self._outputs = outputs
        self.doubts: list[Doubt] = []
        self.kinds: dict[str, set[str]] = {}

    def scan(self, after: str | None = None) -> Iterator[Record]:
        for record in super().scan(after):
            if isinstance(record, Flag):
                self._note(record)
                yield self._with_outputs(record)
            else:
                yield record

    def _note(self, flag: Flag) -> None:
        for name, reason in flag.context.get("in_doubt", {}).items():
            self.doubts.append(Doubt(flag_id=flag.id, field=name, reason=reason))
        for name, value in (*flag.inputs.items(), *flag.outputs.items()):
            if value.data is not None:
                self.kinds.setdefault(name, set()).add(value.kind)

    def _with_outputs(self, flag: Flag) -> Flag:
        made = {name: flag.inputs[name] for name in self._outputs if name in flag.inputs}
        if not made:
            return flag
        inputs = {name: value for name, value in flag.inputs.items() if name not in made}
        return replace(flag, inputs=inputs, outputs={**flag.outputs, **made}, fingerprint="")
