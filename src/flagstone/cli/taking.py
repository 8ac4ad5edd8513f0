"""
The commands that take flags out of a store: `export` and `forget`.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from flagstone import codec
from flagstone.cli.frame import (
    FLAGGING_DIR,
    UNFINISHED,
    DryRunOption,
    JsonOption,
    StoreOption,
    WhereOption,
    app,
    err,
    open_existing,
    out,
    progress_bar,
    telling_errors,
)
from flagstone.cli.printing import summary_of_export, summary_of_receipt
from flagstone.errors import FlagstoneError, NotForgottenError, NothingToForgetError
from flagstone.export import Format
from flagstone.export import export as export_flags
from flagstone.forget import Receipt
from flagstone.forget import forget as forget_flags
from flagstone.query import Query
from flagstone.query_text import parse_query, query_text
from flagstone.safe_text import mask_url
from flagstone.store import Store
from flagstone.words import printable


@app.command()
@telling_errors
def export(
    store: Annotated[str, typer.Argument(help="The store to export from.")],
    folder: Annotated[Path, typer.Argument(help="The folder to make.", metavar="OUT")],
    where: WhereOption = None,
    format: Annotated[Format, typer.Option(help="What to make of them.")] = "parquet",  # noqa: A002 - the word
    as_json: JsonOption = False,
) -> None:
    """
    Write flags as a table, a dataset, or what another tool imports, with a manifest.
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


@app.command()
@telling_errors
def forget(
    flag_ids: Annotated[
        list[str] | None, typer.Argument(help="The ids of flags.", metavar="FLAG_ID")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Flags by this user.")] = None,
    older_than: Annotated[
        str | None, typer.Option(help="Flags made so long ago: 90d, 12w.", metavar="TIME")
    ] = None,
    where: WhereOption = None,
    store: StoreOption = str(FLAGGING_DIR),
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Also wherever the store was copied to from here.")
    ] = False,
    also: Annotated[
        list[str] | None,
        typer.Option(
            envvar="FLAGSTONE_TARGETS",
            help="Another copy of the store; may be repeated.",
            metavar="TARGET",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Erase flags, what was said about them, and their files; for good.
    """
    query = _query_to_forget(user, older_than, where)
    if query is None and not flag_ids:
        raise typer.BadParameter("Name flags by their ids, --user, --older-than or --where.")
    with ExitStack() as opened:
        stores = [
            opened.enter_context(open_existing(url, finishes=False))
            for url in (store, *(also or ()))
        ]
        in_stores = partial(forget_flags, stores, everywhere=everywhere)
        asked: dict[str, Any] = {"flag_ids": flag_ids or (), "query": query}
        if dry_run or not yes:
            receipt = in_stores(**asked, dry_run=True)
            if receipt.flag_ids and not dry_run:
                err.print(summary_of_receipt(receipt, dry_run=True), soft_wrap=True)
                typer.confirm("Forget them? This cannot be undone.", abort=True, err=True)
                asked = {"flag_ids": {*receipt.flag_ids, *(flag_ids or ())}}  # and none made since
        if not dry_run:
            receipt = in_stores(**asked)
    if as_json:
        facts = {name: list(told) for name, told in asdict(receipt).items()}
        for place in (*facts["places"], *facts["unreached"], *facts["unfinished"]):
            place["where"] = mask_url(place["where"])
        typer.echo(codec.dumps(facts))
    else:
        out.print(summary_of_receipt(receipt, dry_run=dry_run), soft_wrap=True)
    _tell_what_is_left(receipt, stores)


def _tell_what_is_left(receipt: Receipt, stores: Sequence[Store]) -> None:
    """Raise where something may still be there, or was not found; all that is so is told."""
    errors: list[FlagstoneError] = []
    if receipt.unknown:
        where = ", ".join(store.where for store in stores)
        errors.append(NothingToForgetError(asked=receipt.unknown, where=where))
    if receipt.unreached:
        reasons = {lost.where: lost.reason for lost in receipt.unreached}
        errors.append(NotForgottenError(reasons=reasons))
    told = [*(place.reason for place in receipt.unfinished), *map(str, errors)]
    for sentence in told:
        err.print(Text(printable(sentence), style="red"), soft_wrap=True)
    if told:
        raise typer.Exit(UNFINISHED if receipt.unfinished and not receipt.unreached else 1)


def _query_to_forget(user: str | None, older_than: str | None, where: str | None) -> Query | None:
    """What was asked to be forgotten; None where nothing was, rather than everything."""
    until = None if older_than is None else f"until:{older_than}"
    said = [where, query_text(Query(user=user)), until]
    query = parse_query(" ".join(filter(None, said)))
    return None if query == Query(order=query.order) else query
