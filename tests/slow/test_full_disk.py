"""
A disk that is full: a clear error, nothing torn, and the next flag after space is freed is kept.
"""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from flagstone.errors import StoreFullError
from flagstone.stores.open import open_store
from flagstone.testing import make_flag

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("full_disk.py")
IN_OWN_MOUNTS = ["unshare", "--map-root-user", "--mount"]


def can_mount() -> bool:
    trial = [*IN_OWN_MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("kind", ["csv", "sqlite", "sqlite-grouped"])
def test_a_full_disk(tmp_path, kind):
    """
    On a disk of one megabyte each flag is kept or refused with a sentence; freed space is used.
    """
    if not can_mount() and "CI" not in os.environ:
        pytest.skip("this machine lets nobody mount a small disk")
    mount = f"mount -t tmpfs -o size=1m tmpfs {tmp_path} && exec {sys.executable} {SCRIPT} {kind}"

    run = subprocess.run(
        [*IN_OWN_MOUNTS, "sh", "-c", f"{mount} {tmp_path}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    kept = re.findall(r"kept (\d+)", run.stderr)
    assert int(kept[-1]) > 20


def test_a_quota(tmp_path):
    """
    Where files may not grow beyond a size, a row that does not fit leaves no part behind.
    """
    store = open_store(tmp_path)
    kept = [make_flag("one")]
    store.append(kept)
    size = (tmp_path / "dataset1.csv").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        for _ in range(3):
            with pytest.raises(StoreFullError, match="no space is left there"):
                store.append([make_flag("two")])
            assert (tmp_path / "dataset1.csv").stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    kept.append(make_flag("three"))
    store.append(kept)

    assert list(store.scan()) == kept
