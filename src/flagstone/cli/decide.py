"""
Commands for reviews: `accept`, `reject`, `fixed`, `tag`, `note` and `assign`.

Each appends a review of every selected flag. Flags are selected by id or by a query.
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
    """Return the name of the current user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # in a container, the user id may have no name
        raise typer.BadParameter("Cannot determine your user name; pass --by.") from error


IdsArgument = Annotated[list[str] | None, typer.Argument(help="Ids of flags.", metavar="FLAG_ID")]
ByOption = Annotated[
    str, typer.Option(help="The reviewer.", default_factory=_os_user, show_default="you")
]


def _offer_verdict(name: str, verdict: Verdict, done: str, *, help: str) -> None:  # noqa: A002 - Typer's word
    """Create a command that sets a verdict."""

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
    """Create a command with a text argument; *says* turns it into fields of a review."""

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
            raise typer.BadParameter("The value must not be empty.")
        _decide(store, flag_ids, where, done, as_json=as_json, by=by, **says(word))


def _decide(
    store: str, flag_ids: list[str] | None, where: str | None, done: str, *, as_json: bool,
    **decision: Any,
) -> None:  # fmt: skip
    """Append a review with *decision* for each selected flag, and print the result."""
    if not flag_ids and where is None:
        raise typer.BadParameter("Select flags by id or with --where.")
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
    help="Accept flags: they are right and useful.",
)
_offer_verdict(
    "reject", "rejected", "Rejected", help="Reject flags: nothing can be learned from them."
)
_offer_verdict(
    "fixed", "fixed", "Marked as fixed", help="Mark flags as fixed: the model now gets them right."
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
    "Added a note to",
    typer.Argument(help="The note to add.", metavar="text"),
    lambda text: {"note": text},
    help="Add a note to flags.",
)
_offer_word(
    "assign",
    "Assigned",
    typer.Argument(help="The reviewer to assign.", metavar="assignee"),
    lambda assignee: {"assignee": assignee},
    help="Assign flags to a reviewer.",
)
