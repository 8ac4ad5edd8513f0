"""
The commands that decide: `accept`, `reject`, `fixed`, `tag`, `note` and `assign`.

Each appends a review of every flag that is named, by its id or by a query.
"""

import getpass
from typing import Annotated, Any

import typer

from flagstone.cli.frame import (
    FLAGGING_DIR,
    JsonOption,
    StoreOption,
    WhereOption,
    app,
    open_existing,
    out,
    telling_errors,
)
from flagstone.decide import decide
from flagstone.query_text import parse_query


def _os_user() -> str:
    """Who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container may run as somebody it has no name for
        raise typer.BadParameter("Nobody knows who you are; say it with --by.") from error


IdsArgument = Annotated[
    list[str] | None, typer.Argument(help="The ids of flags.", metavar="FLAG_ID")
]
ByOption = Annotated[
    str, typer.Option(help="Who decides.", default_factory=_os_user, show_default="you")
]


@app.command()
@telling_errors
def accept(
    by: ByOption,
    flag_ids: IdsArgument = None,
    where: WhereOption = None,
    store: StoreOption = str(FLAGGING_DIR),
    as_json: JsonOption = False,
) -> None:
    """
    Accept flags: what they say is right, and worth keeping.
    """
    _decide(store, flag_ids, where, "Accepted", as_json=as_json, by=by, verdict="accepted")


@app.command()
@telling_errors
def reject(
    by: ByOption,
    flag_ids: IdsArgument = None,
    where: WhereOption = None,
    store: StoreOption = str(FLAGGING_DIR),
    as_json: JsonOption = False,
) -> None:
    """
    Reject flags: nothing is to be learned from them.
    """
    _decide(store, flag_ids, where, "Rejected", as_json=as_json, by=by, verdict="rejected")


@app.command()
@telling_errors
def fixed(
    by: ByOption,
    flag_ids: IdsArgument = None,
    where: WhereOption = None,
    store: StoreOption = str(FLAGGING_DIR),
    as_json: JsonOption = False,
) -> None:
    """
    Say of flags that the model is right about them now.
    """
    _decide(store, flag_ids, where, "Marked as fixed", as_json=as_json, by=by, verdict="fixed")


@app.command()
@telling_errors
def tag(
    tag: Annotated[str, typer.Argument(help="The tag to add.")],
    by: ByOption,
    flag_ids: IdsArgument = None,
    where: WhereOption = None,
    store: StoreOption = str(FLAGGING_DIR),
    as_json: JsonOption = False,
) -> None:
    """
    Add a tag to flags.
    """
    _decide(store, flag_ids, where, "Tagged", as_json=as_json, by=by, tags=(tag,))


@app.command()
@telling_errors
def note(
    text: Annotated[str, typer.Argument(help="What is to be said about them.")],
    by: ByOption,
    flag_ids: IdsArgument = None,
    where: WhereOption = None,
    store: StoreOption = str(FLAGGING_DIR),
    as_json: JsonOption = False,
) -> None:
    """
    Add a note to flags.
    """
    _decide(store, flag_ids, where, "Noted on", as_json=as_json, by=by, note=text)


@app.command()
@telling_errors
def assign(
    assignee: Annotated[str, typer.Argument(help="Who is to look at them.")],
    by: ByOption,
    flag_ids: IdsArgument = None,
    where: WhereOption = None,
    store: StoreOption = str(FLAGGING_DIR),
    as_json: JsonOption = False,
) -> None:
    """
    Assign flags to somebody.
    """
    _decide(store, flag_ids, where, "Assigned", as_json=as_json, by=by, assignee=assignee)


def _decide(
    store: str, flag_ids: list[str] | None, where: str | None, done: str, *, as_json: bool,
    **decision: Any,
) -> None:  # fmt: skip
    """Append a review that says *decision* for each flag that is named, and tell what was done."""
    if not flag_ids and where is None:
        raise typer.BadParameter("Name flags by their ids, or with --where.")
    with open_existing(store) as opened:
        flags = {id_: opened.get(id_) for id_ in flag_ids or ()}
        if where is not None:
            flags |= {flag.id: flag for flag in opened.find(parse_query(where))}
        reviews = decide(opened, flags.values(), **decision)
    if as_json:
        for review in reviews:
            typer.echo(review.to_json())
    else:
        out.print(f"{done} {len(reviews):,} flag{'s' * (len(reviews) != 1)}.")
