"""
The commands that decide: `accept`, `reject`, `fixed`, `tag`, `note` and `assign`.

Each appends a review of every flag that is named, by its id or by a query.
"""

import getpass
from collections.abc import Callable
from typing import Annotated, Any

import typer

from flagstone.cli.app import (
    FLAGGING_DIR,
    JsonOption,
    StoreOption,
    WhereOption,
    app,
    open_existing,
    out,
    telling_errors,
)
from flagstone.core.query_syntax import parse_query
from flagstone.core.records import Verdict
from flagstone.operations.decide import decide


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


def _offer_verdict(name: str, verdict: Verdict, done: str, *, help: str) -> None:  # noqa: A002 - Typer's word
    """Make a command that gives flags a verdict."""

    @app.command(name, help=help)
    @telling_errors
    def command(
        by: ByOption,
        flag_ids: IdsArgument = None,
        where: WhereOption = None,
        store: StoreOption = str(FLAGGING_DIR),
        as_json: JsonOption = False,
    ) -> None:
        _decide(store, flag_ids, where, done, as_json=as_json, by=by, verdict=verdict)


def _offer_word(
    name: str, done: str, argument: Any, says: Callable[[str], dict[str, Any]], *, help: str  # noqa: A002 - Typer's word
) -> None:  # fmt: skip
    """Make a command that says a word of flags, what the review *says* of which it is told."""

    @app.command(name, help=help)
    @telling_errors
    def command(
        word: Annotated[str, argument],
        by: ByOption,
        flag_ids: IdsArgument = None,
        where: WhereOption = None,
        store: StoreOption = str(FLAGGING_DIR),
        as_json: JsonOption = False,
    ) -> None:
        if not word.strip():
            raise typer.BadParameter("An empty word says nothing about a flag.")
        _decide(store, flag_ids, where, done, as_json=as_json, by=by, **says(word))


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


_offer_verdict(
    "accept",
    "accepted",
    "Accepted",
    help="Accept flags: what they say is right, and worth keeping.",
)
_offer_verdict(
    "reject", "rejected", "Rejected", help="Reject flags: nothing is to be learned from them."
)
_offer_verdict(
    "fixed", "fixed", "Marked as fixed", help="Say of flags that the model is right about them now."
)
_offer_word(
    "tag",
    "Tagged",
    typer.Argument(help="The tag to add.", metavar="tag"),
    lambda tag: {"tags": (tag,)},
    help="Add a tag to flags.",
)
_offer_word(
    "note",
    "Noted on",
    typer.Argument(help="What is to be said about them.", metavar="text"),
    lambda text: {"note": text},
    help="Add a note to flags.",
)
_offer_word(
    "assign",
    "Assigned",
    typer.Argument(help="Who is to look at them.", metavar="assignee"),
    lambda assignee: {"assignee": assignee},
    help="Assign flags to somebody.",
)
