"""
A Hugging Face Hub for tests: on this machine, in memory, with faults by request.

It speaks what the real client asks of the real Hub. A request that it does not know fails the
test: it is answered with 501, and leaving the server raises.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from hub_server.app import hub_app
from hub_server.faults import Fault
from hub_server.state import Hub

__all__ = ["Fault", "Hub", "running_hub"]


@contextmanager
def running_hub(port: int = 0) -> Iterator[Hub]:
    """A Hub at `url` while it lasts; raises at the end if it was asked what it does not know."""
    hub = Hub()
    with socket.create_server(("127.0.0.1", port)) as listening:
        # asyncio does it only for sockets that say their protocol; else each answer waits 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hub.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(hub_app(hub), log_level="critical", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield hub
        finally:
            server.should_exit = True
            thread.join()
    if hub.unknown:
        raise AssertionError(f"The Hub for tests was asked what it does not know: {hub.unknown}")
