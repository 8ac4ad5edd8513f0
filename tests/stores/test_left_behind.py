"""
What a failed append leaves behind, and who may read what is made.
"""

import stat
import subprocess
import sys

import pytest

APPEND = """
import io, resource, signal, sys
from flagstone import open_store, Value
from flagstone.errors import StoreError
from flagstone.testing import make_flag
from flagstone.stores.hub_legacy.flag_folders import FlagFolders
from pathlib import Path
kind, place = sys.argv[1:]
store = FlagFolders(Path(place)) if kind == "folders" else open_store(kind + place)
ref = store.files.put(io.BytesIO(b"small"), name="a.txt")
store.append([make_flag("first", outputs={"f": Value(kind="file", data=ref)})])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
failed = 0
for write in (
    lambda: store.files.put(io.BytesIO(b"x" * 100_000), name="b.txt"),
    lambda: store.append([make_flag("".join(map(chr, range(33, 40_000))))]),
):
    try:
        write()
    except StoreError:
        failed += 1
print(failed)
"""


@pytest.mark.parametrize("kind", ["csv:", "folders", "parquet:"])
def test_a_failed_append_leaves_no_part(tmp_path, kind):
    """
    Where the medium takes no more nothing that begins with `.part-` or `part-` stays.
    """
    done = subprocess.run(
        [sys.executable, "-c", APPEND, kind, tmp_path / "flags"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert done.stdout == "2\n"
    assert [path for path in (tmp_path / "flags").rglob("*") if "part-" in path.name] == []


MAKE = """
import io, os, sys
os.umask(int(sys.argv[2], 8))
from flagstone import open_store, Review, Value
from flagstone.testing import make_flag
from flagstone.exporters.export import export
from flagstone.operations.sync import sync
for kind, name in (("csv:", "csv"), ("parquet:", "shards"), ("", "flags.db")):
    with open_store(f"{kind}{sys.argv[1]}/{name}") as store:
        ref = store.files.put(io.BytesIO(b"small"), name="a.txt")
        flag = make_flag("first", outputs={"f": Value(kind="file", data=ref)})
        store.append([flag])
        store.append([Review(flag_id=flag.id, verdict="accepted"), gone := make_flag("gone")])
        store.erase([gone.id])
        export(store, f"{sys.argv[1]}/out-{name}", format="csv")
        sync(store, open_store(f"{sys.argv[1]}/copy.db"))
"""


@pytest.mark.parametrize(
    ("umask", "files", "folders"), [("022", 0o644, 0o755), ("077", 0o600, 0o700)]
)
def test_new_files_follow_the_umask(tmp_path, umask, files, folders):
    """
    Files and folders of stores and exports have just the rights that the umask leaves.
    """
    subprocess.run([sys.executable, "-c", MAKE, tmp_path, umask], check=True)

    found = {
        path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob("*")
    }
    assert len(found) > 30
    wrong = {
        name: oct(mode)
        for name, mode in found.items()
        if mode != (folders if (tmp_path / name).is_dir() else files)
    }
    assert wrong == {}
