"""
The review page on a port of this machine.
"""

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from flagstone.errors import NoUsersError, StoreError
from flagstone.review.access import is_loopback
from flagstone.review.app import create_app
from flagstone.store import Store


def serve(
    store: Store,
    *,
    host: str,
    port: int,
    users: Path | None,
    trusted_header: str | None,
    https: bool,
    told: Callable[[str], None],
) -> None:
    """
    Serve the review page of *store* until Ctrl-C; *told* hears of its address.

    Raises `NoUsersError` for a *host* that others can reach, where nobody is asked who they are.
    """
    if users is None and trusted_header is None and not is_loopback(host):
        raise NoUsersError(host=host)
    app = create_app(store, users=users, trusted_header=trusted_header, https=https)
    try:
        listener = socket.create_server((host, port), family=_family(host))
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(doing="listen on", where=f"{host}:{port}", reason=reason) from error
    shown = f"[{host}]" if ":" in host else host
    told(f"http://{shown}:{listener.getsockname()[1]}/")
    # Who is at the other end is the peer: what a header says of it is not believed.
    config = uvicorn.Config(app, log_level="warning", proxy_headers=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listener])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
