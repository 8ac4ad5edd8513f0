"""
A replica of a demo: keeps flags with files here, and copies them to the Hub until it is killed.

    python replica.py FOLDER HUB DATASET [--drain]

Writes the id and the file's hash of each flag that is acknowledged, a line each. With `--drain` it
flags nothing and ends when all that is here is there.
"""

import io
import logging
import os
import random
import sys
import time
from pathlib import Path

import huggingface_hub.constants

from flagstone import Value, open_store
from flagstone.operations.mirror import BackgroundSync
from flagstone.stores.base import Store
from flagstone.stores.parquet.store import ParquetStore
from flagstone.testing import make_flag

LARGE = (1 << 20) + 1
"""Bytes of a file that does not ride in its shard."""


def flag_one(store: Store) -> str:
    """Keep a flag with a picture, now and then a large one; gives the line that acknowledges it."""
    size = LARGE if random.random() < 0.1 else random.randrange(2000)
    ref = store.files.put(io.BytesIO(os.urandom(size)), name="a.png", mime_type="image/png")
    flag = make_flag(inputs={"image": Value(kind="image", data=ref)})
    store.append([flag])
    return f"{flag.id} {ref.sha256}\n"


def main(folder: str, hub: str, dataset: str, *, drain: bool) -> None:
    logging.basicConfig(level=logging.WARNING)
    huggingface_hub.constants.HF_HUB_DISABLE_XET = True
    store = open_store(Path(folder) / "flags.db")
    options = {"token": "hf_ana", "endpoint": hub}
    copier = BackgroundSync(
        store, lambda: ParquetStore(f"hf://datasets/{dataset}", options), to=dataset, every=0.1
    )
    copier.start()
    while drain and not copier.flush():
        pass
    while not drain:
        os.write(sys.stdout.fileno(), flag_one(store).encode())
        copier.note()
        time.sleep(random.uniform(0, 0.1))


if __name__ == "__main__":
    main(*sys.argv[1:4], drain="--drain" in sys.argv)
