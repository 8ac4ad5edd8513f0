"""
The commands that take flags out of a store: `export`.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flagstone import codec
from flagstone.cli.frame import (
    JsonOption,
    WhereOption,
    app,
    open_existing,
    out,
    progress_bar,
    telling_errors,
)
from flagstone.cli.printing import summary_of_export
from flagstone.export import Format
from flagstone.export import export as export_flags
from flagstone.query_text import parse_query


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
        task = bar.add_task(f"{store} to {folder}", total=None)
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
