"""
Argilla's own server takes in the folder that is named first; the second file says what it then has.

It is the server that people run, with SQLite. Elasticsearch, with which it answers searches, is not
there: nobody searches. Of Redis, where it puts the jobs of a worker, there is a fake: none works.
"""

import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread

import redis
from fakeredis import FakeRedis

KEY = "ana.apikey"

redis.from_url = FakeRedis.from_url
home = tempfile.mkdtemp()
os.environ |= {
    "ARGILLA_HOME_PATH": home,
    "ARGILLA_DATABASE_URL": f"sqlite+aiosqlite:///{home}/argilla.db",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}

import argilla as rg  # noqa: E402 - they read the environment
import uvicorn  # noqa: E402
from alembic import command  # noqa: E402
from alembic.config import Config  # noqa: E402
from argilla_server._app import app  # noqa: E402
from argilla_server.database import ALEMBIC_CONFIG_FILE, AsyncSessionLocal  # noqa: E402
from argilla_server.models import User  # noqa: E402
from argilla_server.search_engine import SearchEngine  # noqa: E402


async def nothing(*args, **kwargs) -> None:
    """Every verb of a search engine."""


async def new_instance(cls) -> SearchEngine:
    return cls()


verbs = dict.fromkeys(SearchEngine.__abstractmethods__, nothing)
engine = type("NoSearch", (SearchEngine,), verbs | {"new_instance": classmethod(new_instance)})
SearchEngine.register("elasticsearch")(engine)


async def add_user() -> None:
    async with AsyncSessionLocal() as db:
        names = {"first_name": "Ana", "username": "ana"}
        await User.create(db, **names, role="owner", password_hash="", api_key=KEY, workspaces=[])


def running_server() -> str:
    """The address of a new server."""
    command.upgrade(Config(ALEMBIC_CONFIG_FILE), "head")
    asyncio.run(add_user())
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
    Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


client = rg.Argilla(api_url=running_server(), api_key=KEY)
rg.Workspace("flags", client=client).create()
rg.Dataset.from_disk(sys.argv[1], workspace="flags", client=client)

dataset = client.datasets("flags", workspace="flags")
records = [record.to_dict() for record in dataset.records(with_suggestions=True)]
read = {"settings": dataset.settings.serialize(), "records": records}
Path(sys.argv[2]).write_text(json.dumps(read, default=str))
