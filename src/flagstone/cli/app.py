"""
The Typer app, and what all commands share: consoles, options and error output.
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
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # from click, or Typer's own copy


class _Commands(TyperGroup):
    """Masks secrets in usage errors, which quote the arguments."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            error.message = one_line(_WORD.sub(lambda word: mask_url(word[0]), error.message))  # type: ignore[attr-defined]
            raise


app = typer.Typer(
    cls=_Commands,
    help="Save and review flags of machine-learning demos.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
# No markup: flags and folder names are printed literally.
out = Console(markup=False, highlight=False)
err = Console(markup=False, highlight=False, stderr=True)

PASSED_OVER = 3
"""Exit status if some records could not be read and everything else succeeded."""

UNFINISHED = 4
"""Exit status if erased data can still be found on disk for now."""

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
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one record per line.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")
]
QueryArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Only matching flags, such as 'app:digits verdict:open'.", metavar="QUERY"),
]
WhereOption = Annotated[
    str | None,
    typer.Option("--where", "-w", help="Only flags that match this query.", metavar="QUERY"),
]


def telling_errors(command: Callable[..., None]) -> Callable[..., None]:
    """
    Wrap *command* so that a `FlagstoneError` is printed as a sentence, with exit status 1.

    Records that its stores skipped are printed, too, with exit status 3 if there is no error.
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
"""What the stores opened by the command skipped."""


def open_existing(url: str, *, tells_itself: bool = False, finishes: bool = True) -> Store:
    """
    Open the store at *url*. Raises `NoStoreError` if there is none.

    Skipped records are reported at the end of the command, unless it *tells_itself* what they are.
    With *finishes*, an interrupted erasure is finished first.
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
    """Open the store to copy to; in a dry run, one in memory if it does not exist yet."""
    store = open_store(url)
    if dry_run and not _exists(store):
        store = open_store("memory:")  # reading from a store may create it
    return store


def progress_bar() -> Progress:
    """Return a progress bar on standard error, hidden if that is not a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=err, disable=not err.is_terminal)


def _exists(store: Store) -> bool:
    if "://" in store.location:  # a missing bucket raises its own error
        return True
    try:
        return Path(store.location).exists()
    except OSError:  # a name that the file system rejects
        return False
