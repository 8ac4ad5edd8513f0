"""
The command line: the library's verbs, for people at a terminal and for scripts.

Errors of ours are one sentence and exit status 1; with `--json` the output is JSON, a record a
line, as the store has it.
"""

import logging
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from flagstone import codec
from flagstone.cli.printing import card_of, summary_of, summary_of_copy, table_of, table_of_import
from flagstone.doctor import examine
from flagstone.errors import (
    FlagstoneError,
    MissingExtraError,
    NoStoreError,
    SamePlaceError,
    StoreError,
)
from flagstone.importing import import_logs
from flagstone.store import Query, Store
from flagstone.stores import DATABASE, open_store
from flagstone.sync import Synced, sync, waiting_in

app = typer.Typer(
    help="Keep what people flag in a machine-learning demo.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
# No markup: what people flagged, and what their folders are called, is shown as it is.
_out = Console(markup=False, highlight=False)
_err = Console(markup=False, highlight=False, stderr=True)

FLAGGING_DIR = Path(".gradio/flagged")

StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        "-s",
        envvar="FLAGSTONE_STORE",
        help="The store: a folder of CSV files, a path ending in .db, or a URL.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, a record a line.")]


def _telling_errors(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except FlagstoneError as error:
            _err.print(Text(str(error), style="red"), soft_wrap=True)
            raise typer.Exit(1) from error

    return wrapped


@app.command()
@_telling_errors
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
        _out.print(line, soft_wrap=True)
    page.block_thread()


@app.command("list")
@_telling_errors
def list_(
    store: StoreOption = str(FLAGGING_DIR),
    app: Annotated[str | None, typer.Option(help="Only flags of this demo.")] = None,
    option: Annotated[str | None, typer.Option(help="Only this flag option.")] = None,
    user: Annotated[str | None, typer.Option(help="Only flags by this user.")] = None,
    text: Annotated[str | None, typer.Option(help="Only flags with this text in them.")] = None,
    order: Annotated[
        Literal["newest", "oldest"], typer.Option(help="Which come first.")
    ] = "newest",
    limit: Annotated[int, typer.Option(help="How many at most; 0 for all.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """
    Show what was flagged, the newest first.
    """
    query = Query(app=app, option=option, user=user, text=text, order=order, limit=limit or None)
    with _open(store) as opened:
        flags = list(opened.find(query))
        if as_json:
            for flag in flags:
                typer.echo(flag.to_json())
            return
        _out.print(table_of(flags, opened.where))
        total = opened.count(replace(query, limit=None))
        if total > len(flags):
            _out.print(f"{len(flags)} of {total} flags; --limit 0 shows all.")


@app.command()
@_telling_errors
def show(
    flag_id: Annotated[str, typer.Argument(help="The id of a flag: its receipt.")],
    store: StoreOption = str(FLAGGING_DIR),
    as_json: JsonOption = False,
) -> None:
    """
    Show one flag in full, with the decisions about it.
    """
    with _open(store) as opened:
        state = opened.state(flag_id)
        if as_json:
            for record in (state.flag, *state.reviews, *state.outcomes):
                typer.echo(record.to_json())
        else:
            _out.print(card_of(state))


@app.command("import")
@_telling_errors
def import_(
    path: Annotated[Path, typer.Argument(help="The folder that Gradio kept flags in.")],
    store: Annotated[str, typer.Argument(help="The store to copy them to.")],
    output: Annotated[
        list[str] | None, typer.Option(help="A field that the model made; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell, and write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Copy what Gradio's own logger kept, of any version since 3.50.
    """
    with _open_target(store, dry_run=dry_run) as target:
        imported = import_logs(path, target, outputs=output or (), dry_run=dry_run)
    if as_json:
        for doubt in imported.doubts:
            typer.echo(codec.dumps(asdict(doubt)))
        typer.echo(codec.dumps(asdict(imported.synced)))
        return
    _out.print(table_of_import(imported))
    _out.print(summary_of_copy(imported.synced, "flags", store, dry_run=dry_run), soft_wrap=True)


@app.command("sync")
@_telling_errors
def sync_(
    source: Annotated[str, typer.Argument(help="The store to copy from.")],
    target: Annotated[str, typer.Argument(help="The store to copy to; made where there is none.")],
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what is flagged, until Ctrl-C.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell, and write nothing.")] = False,
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
    into = _open_target(target, dry_run=dry_run)
    with _open(source) as opened, into, _progress() as bar:
        if opened.where == into.where:
            raise SamePlaceError(where=opened.where)
        task = bar.add_task(f"{source} to {target}", total=None)
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
    _out.print(summary_of_copy(synced, "records", target, dry_run=dry_run), soft_wrap=True)


def _tell_what_waits(source: str, target: str, *, as_json: bool) -> None:
    """Print what *target* lacks; where it cannot say, what is here, and then why."""
    with _open(source) as opened, _open_target(target, dry_run=True) as into:
        try:
            waiting, reason = waiting_in(opened, into), None
        except StoreError as error:
            waiting, reason = waiting_in(opened), error
    if as_json:
        oldest = waiting.oldest and waiting.oldest.isoformat()
        facts = {"records": waiting.records, "oldest": oldest, "reason": reason and str(reason)}
        typer.echo(codec.dumps(facts))
    else:
        _out.print(f"{waiting} for {target}.", soft_wrap=True)
    if reason is not None:
        raise reason


@app.command()
@_telling_errors
def doctor(
    store: Annotated[str, typer.Argument(help="The store to examine.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Verify every record and file, and remove files that a crash left behind.
    """
    with _open(store) as opened:
        finding = examine(opened, dry_run=dry_run)
    if as_json:
        typer.echo(codec.dumps(asdict(finding) | {"damage": list(finding.damage)}))
    else:
        for sentence in finding.damage:
            _out.print(Text(sentence, style="red"), soft_wrap=True)
        _out.print(summary_of(finding, store, dry_run=dry_run), soft_wrap=True)
    if finding.damage:
        raise typer.Exit(1)


def _open(url: str) -> Store:
    store = open_store(url)
    if not _exists(store):
        raise NoStoreError(where=store.where)
    return store


def _open_target(url: str, *, dry_run: bool) -> Store:
    """The store to copy to; for a dry run one in memory where there is none yet."""
    store = open_store(url)
    if dry_run and not _exists(store):
        store = open_store("memory:")  # to read from a store may make it
    return store


def _progress() -> Progress:
    """A bar on standard error, where that is a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=_err, disable=not _err.is_terminal)


def _exists(store: Store) -> bool:
    if "://" in store.where:  # a bucket says itself that it is not there
        return True
    try:
        return Path(store.where).exists()
    except OSError:  # a name that no file system takes
        return False
