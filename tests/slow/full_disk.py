"""
Fill the disk that the store in argv[2], of the kind in argv[1], lies on; free some space; go on.

Run by test_full_disk.py where the disk is small. Prints how many flags were kept.
"""

import io
import logging
import sys
from pathlib import Path

import pytest
import writers

from flagstone.errors import StoreFullError
from flagstone.testing import make_flag


def main(kind: str, disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    store = writers.open_kind(kind, disk / "place")
    kept = []
    refused = 0
    while refused < 5:  # a second press, a third one: still refused, still nothing torn
        flag = make_flag("x" * (1000 + 700 * (len(kept) % 7)))
        try:
            store.append([flag])
            kept.append(flag)
        except StoreFullError:
            refused += 1
    with pytest.raises(StoreFullError, match="no space is left there"):
        store.files.put(io.BytesIO(bytes(2_000_000)), name="big")
    assert list(store.scan()) == kept

    ballast.unlink()
    kept.append(make_flag("after space was freed"))
    store.append(kept[-1:])

    assert list(store.scan()) == kept
    assert list(writers.open_kind(kind, disk / "place").scan()) == kept
    assert not list((disk / "place").rglob("*part-*"))
    logging.getLogger().warning("kept %d", len(kept))


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    main(sys.argv[1], Path(sys.argv[2]))
