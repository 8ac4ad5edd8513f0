"""
The command line: the library's verbs, for people at a terminal and for scripts.

Errors of ours are one sentence and exit status 1; with `--json` the output is JSON, a record a
line, as the store has it.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from flagstone.codec import FileRef
from flagstone.errors import FlagstoneError, MissingExtraError, NoStoreError
from flagstone.record import Flag, Value
from flagstone.store import Query, State, Store
from flagstone.stores import DATABASE, open_store

app = typer.Typer(
    help="Keep what people flag in a machine-learning demo.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
_out = Console()
_err = Console(stderr=True)

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
        _out.print(_table_of(flags, opened.where))
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
            _out.print(_card_of(state))


def _open(url: str) -> Store:
    store = open_store(url)
    if not Path(store.where).exists():
        raise NoStoreError(where=store.where)
    return store


def _table_of(flags: Iterable[Flag], where: str) -> Table:
    table = Table(title=f"Flags in {where}", title_justify="left", show_lines=True)
    table.add_column("flag", no_wrap=True)
    table.add_column("option", overflow="fold")
    table.add_column("what was seen", overflow="fold", ratio=1)
    for flag in flags:
        made = f"{flag.created_at.astimezone():%Y-%m-%d %H:%M}"
        whence = " ".join(filter(None, [made, flag.app, flag.user and f"by {flag.user}"]))
        seen = f"{_brief(flag.inputs)}\n→ {_brief(flag.outputs)}"
        table.add_row(
            _printable(f"{flag.id}\n{whence[:36]}"), _printable(flag.option or ""), _printable(seen)
        )
    return table


def _card_of(state: State) -> RenderableType:
    flag = state.flag
    facts = Table.grid(padding=(0, 2))
    facts.add_row("made", f"{flag.created_at.astimezone():%Y-%m-%d %H:%M:%S %z}")
    for name in ("app", "option", "comment", "user", "session", "verified"):
        if getattr(flag, name) not in (None, ""):
            facts.add_row(name, _printable(str(getattr(flag, name))))
    facts.add_row("state", ", ".join([state.verdict, *state.tags]))
    for name, known in flag.context.items():
        facts.add_row(_printable(name), _printable(str(known)))
    sections = [("inputs", flag.inputs), ("outputs", flag.outputs), ("correct", state.correction)]
    tables = [_values_table(title, values) for title, values in sections if values]
    notes = [Text(f"Note: {note}") for note in map(_printable_text, state.notes)]
    return Panel(Group(facts, *tables, *notes), title=f"flag {flag.id}", title_align="left")


def _values_table(title: str, values: Mapping[str, Value]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for name, value in values.items():
        table.add_row(_printable(name), value.kind, _printable(_spell(value.data)))
    return table


def _brief(values: Mapping[str, Value], most: int = 80) -> str:
    spelled = ", ".join(f"{name}: {_spell(value.data)}" for name, value in values.items())
    return spelled if len(spelled) <= most else f"{spelled[: most - 1]}…"


def _spell(data: Any) -> str:
    """*data* for a person: files by their name, a label by the one that leads."""
    match data:
        case FileRef():
            return f"{data.name} ({data.size:,} bytes)"
        case {"label": label, "confidences": [{"confidence": float(chance)}, *_]}:
            return f"{label} ({chance:.0%})"
        case {"composite": FileRef() as drawing}:
            return _spell(drawing)
        case dict():
            parts = (f"{key}: {_spell(part)}" for key, part in data.items() if part)
            return ", ".join(parts)
        case list() | tuple():
            return ", ".join(_spell(part) for part in data)
    return str(data)


def _printable(text: str) -> Text:
    return Text(_printable_text(text))


def _printable_text(text: str) -> str:
    """*text* with what could command a terminal, or turn its writing round, spelled out."""
    return "".join(
        char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text
    )
