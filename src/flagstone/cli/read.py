"""
Commands that read: `list`, `show` and `stats`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import typer

from flagstone.cli.app import (
    FLAGGING_DIR,
    JsonOption,
    QueryArgument,
    StoreOption,
    WhereOption,
    app,
    open_existing,
    out,
    telling_errors,
)
from flagstone.cli.output import card_of, table_of, table_of_facets
from flagstone.core import codec
from flagstone.core.query import Query
from flagstone.core.query_syntax import format_query, parse_query


@app.command("list")
@telling_errors
def list_(
    query: QueryArgument = None,
    store: StoreOption = str(FLAGGING_DIR),
    where: WhereOption = None,
    app: Annotated[str | None, typer.Option(help="Only flags of this demo.")] = None,
    option: Annotated[str | None, typer.Option(help="Only flags with this option.")] = None,
    user: Annotated[str | None, typer.Option(help="Only flags by this user.")] = None,
    text: Annotated[str | None, typer.Option(help="Only flags that contain this text.")] = None,
    order: Annotated[
        Literal["newest", "oldest"], typer.Option(help="Which flags come first.")
    ] = "newest",
    limit: Annotated[int, typer.Option(help="Maximum number of flags; 0 for all.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """
    List flags, the newest first.
    """
    options = Query(app=app, option=option, user=user, text=text, order=order)
    asked = _query_of(query, where, format_query(options))
    with open_existing(store) as opened:
        flags = list(opened.find(replace(asked, limit=limit or None)))
        if as_json:
            for flag in flags:
                typer.echo(flag.to_json())
            return
        out.print(table_of(flags, opened.location))
        total = opened.count(asked) if len(flags) == limit else 0
        if total > len(flags):
            out.print(f"{len(flags)} of {total} flags; --limit 0 shows all.")


@app.command()
@telling_errors
def show(
    flag_id: Annotated[str, typer.Argument(help="The id of the flag, as on its receipt.")],
    store: StoreOption = str(FLAGGING_DIR),
    as_json: JsonOption = False,
) -> None:
    """
    Show one flag in full, with its current state.
    """
    with open_existing(store) as opened:
        state = opened.state(flag_id)
        if as_json:
            for record in state.records:
                typer.echo(record.to_json())
        else:
            out.print(card_of(state))


@app.command()
@telling_errors
def stats(
    query: QueryArgument = None,
    store: StoreOption = str(FLAGGING_DIR),
    where: WhereOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    Count flags by verdict, app, option, tag, user, assignee and verified.
    """
    with open_existing(store) as opened:
        facets = opened.facets(_query_of(query, where))
        if as_json:
            for facet, counts in facets.items():
                for value, flags in counts.most_common():
                    typer.echo(codec.dumps({"facet": facet, "value": value, "flags": flags}))
        else:
            out.print(table_of_facets(facets, opened.location))


def _query_of(words: Sequence[str] | None, *texts: str | None) -> Query:
    """Return one query of all parts; a property given twice is an error."""
    return parse_query(" ".join(filter(None, [*(words or ()), *texts])))
