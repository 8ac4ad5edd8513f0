"""
The command line: the library's verbs, for people at a terminal and for scripts.

Errors of ours are one sentence and exit status 1; with `--json` the output is JSON, a record a
line, as the store has it.
"""

import logging
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from flagstone import codec
from flagstone.cli import deciding, looking, reviewing, taking
from flagstone.cli.frame import (
    FLAGGING_DIR,
    PASSED_OVER,
    UNFINISHED,
    DryRunOption,
    JsonOption,
    app,
    open_existing,
    open_target,
    out,
    progress_bar,
    telling_errors,
)
from flagstone.cli.printing import (
    summary_of,
    summary_of_copy,
    summary_of_import,
    table_of_import,
)
from flagstone.doctor import examine
from flagstone.errors import MissingExtraError, SamePlaceError, StoreError
from flagstone.importing import Field, import_logs
from flagstone.safe_text import mask_url
from flagstone.stores import DATABASE
from flagstone.sync import Synced, sync, waiting_in
from flagstone.words import printable

__all__ = ["app", "deciding", "looking", "reviewing", "taking"]


@app.command()
@telling_errors
def demo(
    port: Annotated[
        int | None, typer.Option(help="The port to listen on.", show_default="7860 or the next")
    ] = None,
    flagging_dir: Annotated[Path, typer.Option(help="Where flags are kept.")] = FLAGGING_DIR,
) -> None:
    """
    Draw a digit, see what a small model makes of it, flag its mistakes.
    """
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        from flagstone.demo import build
    except ImportError as error:
        raise MissingExtraError(asked="flagstone demo", extra="demo") from error
    page = build(flagging_dir)
    _, url, _ = page.launch(
        server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True
    )
    store = "" if flagging_dir == FLAGGING_DIR else f" --store {flagging_dir}"
    for line in (
        f"The demo is at {url} and keeps flags in {flagging_dir / DATABASE}.",
        f"To see what was flagged: flagstone list{store}",
        "To stop: Ctrl-C.",
    ):
        out.print(line, soft_wrap=True)
    page.block_thread()


@app.command("import")
@telling_errors
def import_(
    path: Annotated[
        Path, typer.Argument(help="The log, the folder it lies in, or the project.", metavar="LOG")
    ],
    store: Annotated[str, typer.Argument(help="The store to copy them to.")],
    output: Annotated[
        list[str] | None, typer.Option(help="A field that the model made; may be repeated.")
    ] = None,
    demo: Annotated[
        str | None,
        typer.Option(help="The demo, whose components say what a field is.", metavar="APP.PY:DEMO"),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="The encoding of the log, where it cannot be told.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Copy what Gradio's own logger kept, of any version.
    """
    fields = _fields_of(demo) if demo else ()
    with open_target(store, dry_run=dry_run) as target:
        imported = import_logs(
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
        from flagstone.gradio.loading import load_demo
        from flagstone.gradio.log_fields import fields_of_demo
    except ImportError as error:
        raise MissingExtraError(asked="--demo", extra="gradio") from error
    return fields_of_demo(load_demo(target))


@app.command("sync")
@telling_errors
def sync_(
    source: Annotated[str, typer.Argument(help="The store to copy from.")],
    target: Annotated[str, typer.Argument(help="The store to copy to; made where there is none.")],
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what is flagged, until Ctrl-C.")
    ] = False,
    dry_run: DryRunOption = False,
    status: Annotated[
        bool, typer.Option("--status", help="Tell what waits to be copied, and copy nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Copy what the target lacks, files first; to copy again adds nothing.
    """
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    if status:
        _tell_what_waits(source, target, as_json=as_json)
        return
    into = open_target(target, dry_run=dry_run)
    with open_existing(source) as opened, into, progress_bar() as bar:
        if (opened.url or opened.where) == (into.url or into.where):
            raise SamePlaceError(where=opened.where)
        task = bar.add_task(f"{mask_url(source)} to {mask_url(target)}", total=None)
        synced = Synced()

        def show(done: Synced) -> None:
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
    """Print what *target* lacks; where it cannot say, what is here, and then why."""
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


@app.command()
@telling_errors
def doctor(
    store: Annotated[str, typer.Argument(help="The store to examine.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Verify every record and file, finish erasures, and remove what a crash left behind.
    """
    with open_existing(store, tells_itself=True, finishes=False) as opened:
        finding = examine(opened, dry_run=dry_run)
    if as_json:
        told = {"damage": list(finding.damage), "newer": list(finding.newer)}
        typer.echo(codec.dumps(asdict(finding) | told))
    else:
        for sentence in (*finding.damage, *finding.newer):
            out.print(Text(printable(sentence), style="red"), soft_wrap=True)
        out.print(summary_of(finding, mask_url(store), dry_run=dry_run), soft_wrap=True)
    if finding.damage:
        raise typer.Exit(1)
    if finding.unfinished:
        raise typer.Exit(UNFINISHED)
    if finding.newer:
        raise typer.Exit(PASSED_OVER)
