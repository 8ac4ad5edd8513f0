"""
Commands that maintain a store: `forget` and `doctor`.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer
from rich.text import Text

from flagstone.cli.app import (
    FLAGGING_DIR,
    PASSED_OVER,
    UNFINISHED,
    DryRunOption,
    JsonOption,
    StoreOption,
    WhereOption,
    app,
    err,
    open_existing,
    out,
    telling_errors,
)
from flagstone.cli.output import summary_of, summary_of_receipt
from flagstone.core import codec
from flagstone.core.query import Query
from flagstone.core.query_syntax import format_query, parse_query
from flagstone.core.text import printable
from flagstone.errors import FlagstoneError, NotForgottenError, NothingToForgetError
from flagstone.errors.safe_text import mask_url
from flagstone.operations.check import check_store
from flagstone.operations.forget import ErasureReceipt
from flagstone.operations.forget import forget as forget_flags
from flagstone.stores.base import Store


@app.command()
@telling_errors
def forget(
    flag_ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of flags.", metavar="FLAG_ID")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Flags by this user.")] = None,
    older_than: Annotated[
        str | None, typer.Option(help="Flags older than this: 90d, 12w.", metavar="TIME")
    ] = None,
    where: WhereOption = None,
    store: StoreOption = str(FLAGGING_DIR),
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Also in all recorded copies of the store.")
    ] = False,
    also: Annotated[
        list[str] | None,
        typer.Option(
            envvar="FLAGSTONE_TARGETS",
            help="Another copy of the store; repeatable.",
            metavar="TARGET",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Erase flags permanently, with their reviews and files.
    """
    query = _query_to_forget(user, older_than, where)
    if query is None and not flag_ids:
        raise typer.BadParameter("Select flags by id, --user, --older-than or --where.")
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
                typer.confirm("Forget these flags? This cannot be undone.", abort=True, err=True)
                asked = {"flag_ids": {*receipt.flag_ids, *(flag_ids or ())}}  # not newer ones
        if not dry_run:
            receipt = in_stores(**asked)
    if as_json:
        facts = {name: list(told) for name, told in asdict(receipt).items()}
        for place in (*facts["places"], *facts["unreached"], *facts["unfinished"]):
            place["location"] = mask_url(place["location"])
        typer.echo(codec.dumps(facts))
    else:
        out.print(summary_of_receipt(receipt, dry_run=dry_run), soft_wrap=True)
    _tell_what_is_left(receipt, stores)


def _tell_what_is_left(receipt: ErasureReceipt, stores: Sequence[Store]) -> None:
    """Print what may still exist or was not found; if anything, exit with an error status."""
    errors: list[FlagstoneError] = []
    if receipt.unknown:
        where = ", ".join(store.location for store in stores)
        errors.append(NothingToForgetError(asked=receipt.unknown, where=where))
    if receipt.unreached:
        reasons = {lost.location: lost.reason for lost in receipt.unreached}
        errors.append(NotForgottenError(reasons=reasons))
    told = [*(place.reason for place in receipt.unfinished), *map(str, errors)]
    for sentence in told:
        err.print(Text(printable(sentence), style="red"), soft_wrap=True)
    if told:
        raise typer.Exit(UNFINISHED if receipt.unfinished and not receipt.unreached else 1)


def _query_to_forget(user: str | None, older_than: str | None, where: str | None) -> Query | None:
    """Return the query of the options; None, not a query for everything, if none is given."""
    until = None if older_than is None else f"until:{older_than}"
    said = [where, format_query(Query(user=user)), until]
    query = parse_query(" ".join(filter(None, said)))
    return None if query == Query(order=query.order) else query


@app.command()
@telling_errors
def doctor(
    store: Annotated[str, typer.Argument(help="The store to check.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Verify all records and files, finish erasures, and clean up after crashes.
    """
    with open_existing(store, tells_itself=True, finishes=False) as opened:
        finding = check_store(opened, dry_run=dry_run)
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
