"""
Commands that serve pages: `review`, with `review-user` for its users, and `demo`.
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
        Path | None, typer.Option(help="The file of users who may log in.", metavar="FILE")
    ] = None,
    trusted_header: Annotated[
        str | None,
        typer.Option(help="The header in which a proxy sends the user's name."),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(help="The address or network of a proxy; repeatable.", metavar="ADDRESS"),
    ] = None,
    proxy_secret: Annotated[
        str | None,
        typer.Option(
            envvar="FLAGSTONE_PROXY_SECRET",
            help="The proxy's X-Proxy-Secret; better set by the environment variable.",
        ),
    ] = None,
    trust_proxy_address: Annotated[
        bool,
        typer.Option("--trust-proxy-address", help="Only the proxy can connect from its address."),
    ] = False,
    https: Annotated[
        bool, typer.Option("--https", help="Browsers connect by HTTPS only, through a proxy.")
    ] = False,
    browser: Annotated[
        bool | None,
        typer.Option(help="Open it in a browser.", show_default="if there is one"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the address as JSON once the page is served.")
    ] = False,
) -> None:
    """
    Review and correct flags in a browser.
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
    users: Annotated[Path, typer.Argument(help="The file of users; created if missing.")],
    name: Annotated[str, typer.Argument(help="The user's name.")],
    role: Annotated[
        Literal["viewer", "reviewer", "admin"], typer.Option(help="The user's role.")
    ] = "reviewer",
) -> None:
    """
    Add a user of the review page; prompts for a password.
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
    flagging_dir: Annotated[Path, typer.Option(help="The folder for flags.")] = FLAGGING_DIR,
) -> None:
    """
    Run a demo: draw digits, and flag the mistakes of a small model.
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
        f"The demo is at {url} and saves flags in {flagging_dir / DATABASE}.",
        f"To list the flags: flagstone list{store}",
        "To stop: Ctrl-C.",
    ):
        out.print(line, soft_wrap=True)
    page.block_thread()


def _has_browser() -> bool:
    """Return whether this is a terminal with access to a graphical browser."""
    windows = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    has_windows = sys.platform in ("darwin", "win32") or any(os.environ.get(w) for w in windows)
    return sys.stdout.isatty() and has_windows


def _end_in_order() -> None:
    """Exit cleanly on SIGTERM and SIGHUP, so that temporary files are removed."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))


def _open_indexed(url: str) -> Store:
    """Open the store at *url* with an index; show progress while it is built."""
    store = open_existing(url)
    with progress_bar() as bar:
        task = bar.add_task(f"Reading {mask_url(url)}", total=None)
        return with_index(store, lambda row: bar.update(task, completed=row))
