"""
What every command stands in: the app, its terminal, its options, and how errors are told.
"""

import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from typer.core import TyperGroup

from flagstone.core.text import printable
from flagstone.errors import FlagstoneError, NoStoreError
from flagstone.errors.safe_text import mask_url, one_line
from flagstone.operations.forget import finish_on_open
from flagstone.stores.base import Store
from flagstone.stores.open import open_store
from flagstone.stores.skipped import SkippedPlaces

_WORD = re.compile(r"[^\s'\"()]+")
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # Typer has it from click, or within


class _Commands(TyperGroup):
    """Errors of usage quote what was typed, which may be a URL with a secret."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            error.message = one_line(_WORD.sub(lambda word: mask_url(word[0]), error.message))  # type: ignore[attr-defined]
            raise


app = typer.Typer(
    cls=_Commands,
    help="Keep what people flag in a machine-learning demo.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
# No markup: what people flagged, and what their folders are called, is shown as it is.
out = Console(markup=False, highlight=False)
err = Console(markup=False, highlight=False, stderr=True)

PASSED_OVER = 3
"""The exit status where records could not be read, and all else was done."""

UNFINISHED = 4
"""The exit status where what was erased can still be found on the medium for now."""

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
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Tell, and write nothing.")]
QueryArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Only these flags, such as 'app:digits verdict:open'.", metavar="QUERY"),
]
WhereOption = Annotated[
    str | None, typer.Option("--where", "-w", help="Only these flags, a query.", metavar="QUERY")
]


def telling_errors(command: Callable[..., None]) -> Callable[..., None]:
    """
    *command*, which tells an error of ours as a sentence and ends with status 1; and what the
    stores that it opened passed over, with status 3 where nothing else is to be told.
    """

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        token = _opened.set([])
        try:
            command(*args, **kwargs)
        except FlagstoneError as error:
            err.print(Text(printable(str(error)), style="red"), soft_wrap=True)
            raise typer.Exit(1) from error
        finally:
            passed = [sentence for each in _opened.get() if (sentence := str(each))]
            _opened.reset(token)
            for sentence in passed:
                err.print(Text(printable(sentence), style="red"), soft_wrap=True)
        if passed:
            raise typer.Exit(PASSED_OVER)

    return wrapped


_opened: ContextVar[list[SkippedPlaces]] = ContextVar("opened")
"""What the stores that the command opened have passed over."""


def open_existing(url: str, *, tells_itself: bool = False, finishes: bool = True) -> Store:
    """
    The store at *url*. Raises `NoStoreError` where nothing was kept.

    What it passes over is told at the end of the command, if the command *tells_itself* nothing.
    An erasure that was cut off is finished, unless the command *finishes* it by itself.
    """
    store = open_store(url)
    if not _exists(store):
        raise NoStoreError(where=store.location)
    if finishes:
        finish_on_open(store)
    if not tells_itself:
        _opened.get().append(store.skipped)
    return store


def open_target(url: str, *, dry_run: bool) -> Store:
    """The store to copy to; for a dry run one in memory where there is none yet."""
    store = open_store(url)
    if dry_run and not _exists(store):
        store = open_store("memory:")  # to read from a store may make it
    return store


def progress_bar() -> Progress:
    """A bar on standard error, where that is a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=err, disable=not err.is_terminal)


def _exists(store: Store) -> bool:
    if "://" in store.location:  # a bucket says itself that it is not there
        return True
    try:
        return Path(store.location).exists()
    except OSError:  # a name that no file system takes
        return False
