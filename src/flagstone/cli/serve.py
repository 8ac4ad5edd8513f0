"""
The commands that serve pages: `review`, with `review-user` for those who may log in, and `demo`.
"""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from flagstone.cli.app import FLAGGING_DIR, app, open_existing, out, progress_bar, telling_errors
from flagstone.core import codec
from flagstone.errors import MissingExtraError
from flagstone.errors.safe_text import mask_url
from flagstone.stores.base import Store
from flagstone.stores.open import DATABASE, with_index


@app.command()
@telling_errors
def review(
    store: Annotated[
        str, typer.Argument(help="The store to review.", envvar="FLAGSTONE_STORE")
    ] = str(FLAGGING_DIR),
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 7870,
    users: Annotated[
        Path | None, typer.Option(help="The file of people who may log in.", metavar="FILE")
    ] = None,
    trusted_header: Annotated[
        str | None,
        typer.Option(help="The header in which a proxy names who is there."),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(help="The address or network of a proxy; may be repeated.", metavar="ADDRESS"),
    ] = None,
    proxy_secret: Annotated[
        str | None,
        typer.Option(
            envvar="FLAGSTONE_PROXY_SECRET",
            help="What the proxy sends in X-Proxy-Secret; better given by the environment.",
        ),
    ] = None,
    trust_proxy_address: Annotated[
        bool,
        typer.Option(
            "--trust-proxy-address", help="Nobody but the proxy can connect from its address."
        ),
    ] = False,
    https: Annotated[
        bool, typer.Option("--https", help="Browsers reach it by HTTPS only, through a proxy.")
    ] = False,
    browser: Annotated[
        bool | None,
        typer.Option(help="Open it in a browser.", show_default="where there is one"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the address as JSON once it is served.")
    ] = False,
) -> None:
    """
    See what was flagged, decide about it and correct it, in a browser.
    """
    try:
        from flagstone.review.server import serve
    except ImportError as error:
        raise MissingExtraError(asked="flagstone review", extra="review") from error

    def tell(url: str) -> None:
        if as_json:
            typer.echo(codec.dumps({"store": mask_url(store), "url": url}))
        else:
            out.print(f"Review {mask_url(store)} at {url}\nTo stop: Ctrl-C.", soft_wrap=True)

    _end_in_order()
    with _open_indexed(store) as opened:
        serve(
            opened, host=host, port=port, users=users, trusted_header=trusted_header, https=https,
            proxies=proxy or (), proxy_secret=proxy_secret,
            trust_proxy_address=trust_proxy_address, told=tell,
            browser=not as_json and _has_browser() if browser is None else browser,
        )  # fmt: skip


@app.command("review-user")
@telling_errors
def review_user(
    users: Annotated[Path, typer.Argument(help="The file of people; made where there is none.")],
    name: Annotated[str, typer.Argument(help="The person's name.")],
    role: Annotated[
        Literal["viewer", "reviewer", "admin"], typer.Option(help="What the person may do.")
    ] = "reviewer",
) -> None:
    """
    Let a person log in to the review page, with a password that is asked for.
    """
    try:
        from flagstone.review import Users
    except ImportError as error:
        raise MissingExtraError(asked="flagstone review-user", extra="review") from error
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    Users(users).add(name, password, role)
    out.print(f"{name} may log in as {role}, with --users {users}.", soft_wrap=True)


@app.command()
@telling_errors
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
        out.print(line, soft_wrap=True)
    page.block_thread()


def _has_browser() -> bool:
    """Whether somebody sits at this terminal who has a browser with windows."""
    windows = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    has_windows = sys.platform in ("darwin", "win32") or any(os.environ.get(w) for w in windows)
    return sys.stdout.isatty() and has_windows


def _end_in_order() -> None:
    """Be ended by a service manager, or with the terminal, as by Ctrl-C: no scratch is left."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))


def _open_indexed(url: str) -> Store:
    """The store at *url*, with an index, which is made while a bar tells how far."""
    store = open_existing(url)
    with progress_bar() as bar:
        task = bar.add_task(f"Reading {mask_url(url)}", total=None)
        return with_index(store, lambda row: bar.update(task, completed=row))
