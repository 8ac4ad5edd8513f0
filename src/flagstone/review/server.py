"""
Serve the review page on a port of this machine.
"""

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from html import escape
from pathlib import Path
from typing import Any

import uvicorn

from flagstone.errors import NoUsersError, StoreError
from flagstone.fs.tempdirs import Scratch
from flagstone.review.app import create_app
from flagstone.review.auth.access import is_loopback
from flagstone.stores.base import Store


def serve(
    store: Store,
    *,
    host: str,
    port: int,
    told: Callable[[str], None],
    users: Path | None = None,
    trusted_header: str | None = None,
    browser: bool = False,
    **access: Any,
) -> None:
    """
    Serve the review page of *store* until Ctrl-C; *told* is called with its address.

    Without a login, the address contains the token. *browser* opens it in a browser. Further
    arguments are passed to `create_app`.

    Raises `NoUsersError` for a *host* that other machines can reach, if there is no login.
    """
    token = None
    if users is None and trusted_header is None:
        if not is_loopback(host):
            raise NoUsersError(host=host)
        token = secrets.token_urlsafe(32)
    app = create_app(store, users=users, token=token, trusted_header=trusted_header, **access)
    try:
        listener = socket.create_server((host, port), family=_family(host))
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(doing="listen on", where=f"{host}:{port}", reason=reason) from error
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}/{f'?token={token}' if token else ''}"
    told(url)
    # The client address is the peer's: uvicorn must not replace it by that of a header.
    config = uvicorn.Config(app, log_level="warning", proxy_headers=False, server_header=False)
    with ExitStack() as stack:
        if browser:
            scratch = Scratch()
            stack.callback(scratch.cleanup)
            threading.Thread(target=_show, args=[url, scratch.path], daemon=True).start()
        uvicorn.Server(config).run(sockets=[listener])


def _show(url: str, folder: Path) -> None:
    """
    Open *url* in a browser, through a file in *folder* that only its owner may read.

    Other users of this machine can see the arguments of processes, and so would see the token.
    """
    page = folder / "open.html"
    page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(url)}">')
    webbrowser.open(page.as_uri())


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
