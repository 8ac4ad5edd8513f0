"""
Tables, cards and summaries for the terminal, with control characters escaped.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from flagstone.core.query import FACETS, State
from flagstone.core.records import Flag, Value
from flagstone.core.text import printable, summarize, tell_verified
from flagstone.errors import megabytes
from flagstone.errors.safe_text import mask_url
from flagstone.exporters.manifest import Manifest
from flagstone.operations.check import CheckReport
from flagstone.operations.forget import ErasureReceipt
from flagstone.operations.import_gradio import ImportResult
from flagstone.operations.sync import SyncResult

_MAX_VALUES = 20
_MAX_LENGTH = 1_000_000


def table_of(flags: Iterable[Flag], where: str) -> Table:
    """Return a table of *flags* of the store *where*, one row each."""
    title = _printable(f"Flags in {mask_url(where)}")
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("flag", no_wrap=True)
    table.add_column("option", overflow="fold")
    table.add_column("inputs → outputs", overflow="fold", ratio=1)
    for flag in flags:
        made = f"{flag.created_at.astimezone():%Y-%m-%d %H:%M}"
        whence = " ".join(filter(None, [made, flag.app, flag.user and f"by {flag.user}"]))
        seen = f"{_brief(flag.inputs)}\n→ {_brief(flag.outputs)}"
        doubt = "(unverified)" if flag.verified is False else None
        marked = "\n".join(filter(None, [flag.option, doubt]))
        table.add_row(_printable(f"{flag.id}\n{whence[:36]}"), _printable(marked), _printable(seen))
    return table


def card_of(state: State) -> RenderableType:
    """Return one flag in full, with its current state."""
    flag = state.flag
    facts = Table.grid(padding=(0, 2))
    facts.add_row("created", f"{flag.created_at.astimezone():%Y-%m-%d %H:%M:%S %z}")
    for name in ("app", "option", "comment", "user", "session"):
        if getattr(flag, name) not in (None, ""):
            facts.add_row(name, _printable(str(getattr(flag, name))))
    facts.add_row("verified", tell_verified(flag))
    facts.add_row("state", _printable(", ".join([state.verdict, *state.tags])))
    if state.assignee:
        facts.add_row("assignee", _printable(state.assignee))
    for name, known in flag.context.items():
        facts.add_row(_printable(name), _printable(summarize(known, _MAX_LENGTH)))
    sections = [
        ("inputs", flag.inputs),
        ("outputs", flag.outputs),
        ("correction", state.correction),
    ]
    tables = [_values_table(title, values) for title, values in sections if values]
    notes = [
        _printable(f"Note{' by a visitor' * (review.speaker == 'visitor')}: {review.note}")
        for review in state.standing
        if review.note
    ]
    return Panel(Group(facts, *tables, *notes), title=Text(f"flag {flag.id}"), title_align="left")


def table_of_facets(facets: Mapping[str, Counter[str | None]], where: str) -> Table:
    """Return a table of counts by value, the most frequent first, for the store *where*."""
    flags = sum(facets.get("verdict", Counter()).values())
    title = f"{flags:,} flag{'s' * (flags != 1)} in {mask_url(where)}"
    table = Table(title=_printable(title), title_justify="left")
    for name in ("by", "value"):
        table.add_column(name, overflow="fold")
    table.add_column("flags", justify="right")
    for facet in FACETS:
        counts = facets.get(facet, Counter())
        for value, count in counts.most_common(_MAX_VALUES):
            table.add_row(facet, _printable("(none)" if value is None else value), f"{count:,}")
        if len(counts) > _MAX_VALUES:
            table.add_row(facet, f"and {len(counts) - _MAX_VALUES:,} others", "")
        table.add_section()
    return table


def _values_table(title: str, values: Mapping[str, Value]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for name, value in values.items():
        table.add_row(
            _printable(name), _printable(value.kind), _printable(summarize(value.data, _MAX_LENGTH))
        )
    return table


def _brief(values: Mapping[str, Value], most: int = 80) -> str:
    spelled = ", ".join(f"{name}: {summarize(value.data, most)}" for name, value in values.items())
    return spelled if len(spelled) <= most else f"{spelled[: most - 1]}…"


def _printable(text: str) -> Text:
    return Text(printable(text))


def table_of_import(imported: ImportResult) -> Table:
    """Return a table of how each field was read, and of its ambiguous cells."""
    table = Table(title="Fields in the log", title_justify="left")
    for title in ("field", "read as", "ambiguous cells", "reason"):
        table.add_column(title, overflow="fold")
    doubts = Counter((doubt.field, doubt.reason) for doubt in imported.doubts)
    for name in dict.fromkeys([*imported.kinds, *(field for field, _ in doubts)]):
        reasons = [(number, why) for (field, why), number in doubts.items() if field == name]
        first = (_printable(name), _printable(", ".join(imported.kinds.get(name, ()))))
        for number, why in reasons or [(0, "")]:  # one row each: a reason may take several lines
            table.add_row(*first, f"{number:,}" if why else "", _printable(why))
            first = (Text(), Text())
        table.add_section()
    return table


def summary_of_import(imported: ImportResult, target: str, *, dry_run: bool) -> Iterator[str]:
    """Yield a summary of an import, in one to three sentences."""
    yield summary_of_copy(imported.synced, "flags", target, dry_run=dry_run)
    if imported.corrected:
        would = "Would correct" if dry_run else "Corrected"
        flags = f"{imported.corrected:,} flag{'s' * (imported.corrected != 1)}"
        yield f"{would} {flags} that were imported before."
    if imported.guessed:
        yield printable(
            f"Assumed to be outputs by their names: {', '.join(imported.guessed)}. "
            "If this is wrong, pass --output FIELD or --demo app.py:demo."
        )


def summary_of_copy(synced: SyncResult, what: str, target: str, *, dry_run: bool) -> str:
    """Return a summary of a copy; *what* is the word for the records."""
    would = "Would copy" if dry_run else "Copied"
    return (
        f"{would} {synced.copied} {what} and {synced.files} files to {target}; "
        f"{synced.known} {what} were already there."
    )


def summary_of_export(manifest: Manifest, folder: Path) -> str:
    """Return a summary of an export."""
    rows = f"{manifest.rows:,} row{'s' * (manifest.rows != 1)}"
    flags = f"{manifest.flags:,} flag{'s' * (manifest.flags != 1)}"
    return f"Exported {rows} of {flags} to {mask_url(str(folder))}: version {manifest.sha256[:12]}."


def summary_of_receipt(receipt: ErasureReceipt, *, dry_run: bool) -> str:
    """Return a summary of an erasure: a line for each store, and the ids."""
    would = "Would forget" if dry_run else "Forgot"
    lines = (
        [f"{would} {len(receipt.flag_ids):,} flags in {len(receipt.places):,} stores."]
        if len(receipt.places) > 1
        else []
    )
    lines += [
        f"{would} {place.flags:,} flags in {mask_url(place.location)}: {place.records:,} records "
        f"and {place.files:,} files ({megabytes(place.bytes)})."
        for place in receipt.places
    ]
    lines += [
        f"Finished an interrupted erasure of {place.finished:,} records in "
        f"{mask_url(place.location)}."
        for place in receipt.places
        if place.finished
    ]
    lines += [f"Not reached: {mask_url(place.location)}." for place in receipt.unreached]
    return printable("\n".join([*lines, *receipt.flag_ids]))


def summary_of(finding: CheckReport, where: str, *, dry_run: bool) -> str:
    """Return a summary of a check."""
    erased = "would be" if dry_run else "was"
    told = [finding.unfinished] if finding.unfinished else []
    if finding.finished:
        records = f"{finding.finished:,} records"
        told.append(f"An interrupted erasure of {records} {erased} finished.")
    return "\n".join([*told, _summary_of_records(finding, where, dry_run=dry_run)])


def _summary_of_records(finding: CheckReport, where: str, *, dry_run: bool) -> str:
    damaged = len(finding.damage)
    if damaged and not finding.records:
        return f"{where}: {damaged} damaged records. Repair them first; files were not checked."
    verified = f"{finding.records} records and {finding.files} files verified in {where}"
    if damaged:
        return f"{verified}: {damaged} damaged. Nothing was removed."
    removed = "would be removed" if dry_run else "removed"
    left, size = len(finding.swept), sum(finding.swept.values())
    return f"{verified}: no damage. {left} unreferenced files {removed} ({size:,} bytes)."
