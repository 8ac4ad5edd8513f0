"""
Commands that copy flags: `sync`, `import` and `export`.
"""

import logging
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flagstone.cli.app import (
    DryRunOption,
    JsonOption,
    WhereOption,
    app,
    open_existing,
    open_target,
    out,
    progress_bar,
    telling_errors,
)
from flagstone.cli.output import (
    summary_of_copy,
    summary_of_export,
    summary_of_import,
    table_of_import,
)
from flagstone.core import codec
from flagstone.core.query_syntax import parse_query
from flagstone.errors import MissingExtraError, SamePlaceError, StoreError
from flagstone.errors.safe_text import mask_url
from flagstone.exporters.export import Format
from flagstone.exporters.export import export as export_flags
from flagstone.operations.import_gradio import Field, import_gradio_logs
from flagstone.operations.sync import SyncResult, sync, waiting_in


@app.command("sync")
@telling_errors
def sync_(
    source: Annotated[str, typer.Argument(help="The store to copy from.")],
    target: Annotated[str, typer.Argument(help="The store to copy to; created if missing.")],
    follow: Annotated[
        bool, typer.Option("--follow", help="Continue with new flags until Ctrl-C.")
    ] = False,
    dry_run: DryRunOption = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show what is pending, and copy nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Copy the records that the target does not have, and their files.
    """
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    if status:
        _tell_what_waits(source, target, as_json=as_json)
        return
    into = open_target(target, dry_run=dry_run)
    with open_existing(source) as opened, into, progress_bar() as bar:
        if (opened.url or opened.location) == (into.url or into.location):
            raise SamePlaceError(where=opened.location)
        task = bar.add_task(f"{mask_url(source)} to {mask_url(target)}", total=None)
        synced = SyncResult()

        def show(done: SyncResult) -> None:
            nonlocal synced
            synced = done
            bar.update(task, completed=done.copied)

        with suppress(KeyboardInterrupt) if follow else nullcontext():
            sync(opened, into, follow=follow, dry_run=dry_run, progress=show)
    if as_json:
        typer.echo(codec.dumps(asdict(synced)))
        return
    out.print(summary_of_copy(synced, "records", mask_url(target), dry_run=dry_run), soft_wrap=True)


def _tell_what_waits(source: str, target: str, *, as_json: bool) -> None:
    """Print what *target* lacks; if it cannot be read, print the total of *source* and raise."""
    with open_existing(source) as opened, open_target(target, dry_run=True) as into:
        try:
            waiting, reason = waiting_in(opened, into), None
        except StoreError as error:
            waiting, reason = waiting_in(opened), error
    if as_json:
        oldest = waiting.oldest and waiting.oldest.isoformat()
        facts = {"records": waiting.records, "oldest": oldest, "reason": reason and str(reason)}
        typer.echo(codec.dumps(facts))
    else:
        out.print(f"{waiting} for {mask_url(target)}.", soft_wrap=True)
    if reason is not None:
        raise reason


@app.command("import")
@telling_errors
def import_(
    path: Annotated[
        Path, typer.Argument(help="The log, its folder, or the project.", metavar="LOG")
    ],
    store: Annotated[str, typer.Argument(help="The store to copy to.")],
    output: Annotated[
        list[str] | None, typer.Option(help="A field that is an output; repeatable.")
    ] = None,
    demo: Annotated[
        str | None,
        typer.Option(help="The demo, to read fields by its components.", metavar="APP.PY:DEMO"),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="The encoding of the log, if it cannot be detected.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Import the logs of Gradio's own loggers, of any version.
    """
    fields = _fields_of(demo) if demo else ()
    with open_target(store, dry_run=dry_run) as target:
        imported = import_gradio_logs(
            path, target, outputs=output or (), fields=fields, encoding=encoding, dry_run=dry_run
        )
    if as_json:
        for doubt in imported.doubts:
            typer.echo(codec.dumps(asdict(doubt)))
        facts = {"corrected": imported.corrected, "guessed": list(imported.guessed)}
        typer.echo(codec.dumps(asdict(imported.synced) | facts))
        return
    out.print(table_of_import(imported))
    for line in summary_of_import(imported, mask_url(store), dry_run=dry_run):
        out.print(line, soft_wrap=True)


def _fields_of(target: str) -> Sequence[Field]:
    try:
        from flagstone.gradio.demos.load import load_demo
        from flagstone.gradio.demos.log_fields import fields_of_demo
    except ImportError as error:
        raise MissingExtraError(asked="--demo", extra="gradio") from error
    return fields_of_demo(load_demo(target))


@app.command()
@telling_errors
def export(
    store: Annotated[str, typer.Argument(help="The store to export from.")],
    folder: Annotated[Path, typer.Argument(help="The folder to create.", metavar="OUT")],
    where: WhereOption = None,
    format: Annotated[Format, typer.Option(help="The format.")] = "parquet",  # noqa: A002 - the word
    as_json: JsonOption = False,
) -> None:
    """
    Write flags as a table, a dataset, or files for another tool, with a manifest.
    """
    query = parse_query(where or "")
    with open_existing(store) as opened, progress_bar() as bar:
        task = bar.add_task(f"{mask_url(store)} to {folder}", total=None)
        manifest = export_flags(
            opened,
            folder,
            query=query,
            format=format,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        typer.echo(codec.dumps(asdict(manifest) | {"files": [asdict(f) for f in manifest.files]}))
        return
    out.print(summary_of_export(manifest, folder), soft_wrap=True)
