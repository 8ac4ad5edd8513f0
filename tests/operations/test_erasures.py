"""
Erasures that were cut off, or that somebody holds up: finished later, and never called done before.
"""

import io
import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import gradio
import pytest
from command_line import run

import flagstone.gradio as gr
from flagstone import Flag, Query, Store, Value, open_store
from flagstone.errors import UnfinishedErasureError
from flagstone.exporters.export import export
from flagstone.operations.check import check_store
from flagstone.operations.forget import finish_erasures, forget
from flagstone.operations.sync import sync
from flagstone.review import create_app
from flagstone.stores.csv_folder.store import CsvFolder
from flagstone.stores.erasures import Erasure, Erasures
from flagstone.stores.hub_legacy.flag_folders import FlagFolders
from flagstone.stores.open import with_index
from flagstone.testing import make_flag

SECRET = b"secret content"


def content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def fill(store: Store) -> list[Flag]:
    """A flag of ana's, with a file, and one of bo's."""
    ref = store.files.put(io.BytesIO(SECRET), name="ana.txt", mime_type="text/plain")
    file = Value(kind="file", data=ref)
    flags = [make_flag("secret text", user="ana", outputs={"f": file}), make_flag(user="bo")]
    store.append(flags)
    return flags


def test_a_database_that_is_read_is_told_and_finished_later(tmp_path):
    """
    While a reader holds on to what was there before, exit status is 4; the next flag finishes it.
    """
    place = tmp_path / "flags.db"
    flags = fill(open_store(place))
    with closing(sqlite3.connect(place)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM flagstone_record").fetchone()

        told = run("forget", "--user", "ana", "-s", place, "--yes", code=4)

        assert told.splitlines()[-1] == (
            f"Cannot finish the erasure in {place} yet: a program that reads the database still "
            "uses the old data. Erased flags are no longer shown there, but the medium may still "
            "contain them. Once this is resolved, run `flagstone doctor` for this store, or "
            "erase again."
        )
        assert [flag.id for flag in open_store(place).find()] == [flags[1].id]
        assert b"secret text" in content(tmp_path)
        assert "Cannot finish the erasure" in run("doctor", place, code=4)
        open_store(place).append([make_flag("while it is read")])
    open_store(place).append([make_flag("after it was read")])

    assert b"secret" not in content(tmp_path)
    assert "no damage" in run("doctor", place)


@pytest.mark.parametrize("kind", ["flags", "flags.db", "parquet:flags"])
@pytest.mark.parametrize("way", ["append", "doctor", "forget", "command"])
def test_what_was_begun_is_finished(tmp_path, kind, way):
    """
    An erasure of which no more is there than what is to be done is done by whatever comes next.
    """
    scheme, _, name = kind.rpartition(":")
    url = f"{scheme}:{tmp_path / name}" if scheme else str(tmp_path / name)
    store = open_store(url)
    flags = fill(store)
    order = Erasure(flag_ids=frozenset([flags[0].id]), record_ids=frozenset([flags[0].id]))
    assert store.targets is not None
    beside = store.targets.with_name(store.targets.name.replace("targets", "forgetting"))
    with pytest.raises(ZeroDivisionError), Erasures(beside).noting(order):
        1 / 0  # noqa: B018
    assert check_store(store, dry_run=True).finished == 1
    assert finish_erasures(store, dry_run=True) == 1

    match way:
        case "append":
            assert finish_erasures(store) == 1
        case "doctor":
            assert check_store(store).finished == 1
        case "forget":
            receipt = forget([store], query=Query(user="ana"))
            assert (receipt.flag_ids, receipt.unknown) == ((), ())
            assert receipt.places[0].finished == 1
        case "command":
            told = run("forget", "--user", "ana", "-s", url, "--yes")
            assert f"Finished an interrupted erasure of 1 records in {store.location}." in told

    assert [flag.id for flag in store.find()] == [flags[1].id]
    assert SECRET not in content(tmp_path)
    assert not beside.exists()


@pytest.mark.parametrize("kind", ["csv:", "parquet:", "folders"])
def test_a_reader_finishes_an_erasure(tmp_path, kind):
    """
    What was begun is done when the store is read, also by a command that only lists.
    """
    store = FlagFolders(tmp_path) if kind == "folders" else open_store(f"{kind}{tmp_path}")
    flags = fill(store)
    (ref,) = flags[0].files()
    ids = frozenset([flags[0].id])
    begun = Erasure(flag_ids=ids, record_ids=ids, hashes=frozenset([ref.sha256]))
    if kind == "parquet:":
        (tmp_path / "erasing-0123456789abcdef.json").write_bytes(begun.to_json())
    else:
        with pytest.raises(ZeroDivisionError), Erasures(tmp_path / ".erasing").noting(begun):
            1 / 0  # noqa: B018

    rows = run("list", "-s", tmp_path, "--json").splitlines()

    assert [json.loads(row)["id"] for row in rows] == [flags[1].id]
    assert b"secret" not in content(tmp_path)
    assert not list(tmp_path.glob("*erasing*"))


def list_flags(place: Path) -> None:
    run("list", "-s", place)


def open_page(place: Path) -> None:
    create_app(open_store(place), token="secret-of-the-page")


def launch_demo(place: Path) -> None:
    gr.CSVLogger().setup([gradio.Textbox(label="text")], place)


@pytest.mark.parametrize("open_it", [list_flags, open_page, launch_demo])
def test_an_erasure_in_several_stores_is_finished_on_open(tmp_path, open_it):
    """
    What a killed `forget` noted is done by a command, a review page and a demo.
    """
    place = tmp_path / "flags"
    store = open_store(place)
    flags = fill(store)
    sync(store, open_store(tmp_path / "copy.db"))
    ids = frozenset([flags[0].id])
    places = frozenset(str(path) for path in (f"csv:{place}", tmp_path / "copy.db"))
    order = Erasure(flag_ids=ids, record_ids=ids, places=places)
    with pytest.raises(ZeroDivisionError), Erasures(place / ".forgetting").noting(order):
        1 / 0  # noqa: B018

    open_it(place)

    assert b"secret text" not in content(tmp_path)
    assert SECRET not in content(tmp_path)
    assert not (place / ".forgetting").exists()


def test_a_tab_that_cannot_be_read_keeps_no_other_from_forgetting(tmp_path):
    """
    `forget` erases in the other stores of a folder, names the one, and ends with status 1.
    """
    for name in ("a", "b", "c"):
        fill(open_store(f"csv:{tmp_path / name}"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "flags.db").write_bytes(b"no database " * 1000)

    assert run("list", "-s", tmp_path, "--json", code=3).count("\n{") == 5
    told = run("forget", "--user", "ana", "-s", tmp_path, "--yes", code=1)

    assert "Forgot 3 flags in 4 stores." in told
    assert f"Not reached: {tmp_path / 'broken' / 'flags.db'}." in told
    assert b"secret" not in content(tmp_path)


def test_a_flag_of_others_finishes_an_erasure(tmp_path):
    """
    Also in a program that was running before: to append looks for what another did not finish.
    """
    running = CsvFolder(tmp_path)
    flags = fill(running)
    ids = frozenset([flags[0].id])
    (ref,) = flags[0].files()
    begun = Erasure(flag_ids=ids, record_ids=ids, hashes=frozenset([ref.sha256]))
    with pytest.raises(ZeroDivisionError), Erasures(tmp_path / ".erasing").noting(begun):
        1 / 0  # noqa: B018
    assert [flag.id for flag in open_store(tmp_path).find()] == [flags[1].id]  # hidden by then

    running.append([make_flag("new")])

    assert b"secret" not in content(tmp_path)
    assert list(running.verify()) == []
    assert running.existing_ids(ids) == ids
    assert running.count() == 2


def test_a_copy_that_an_idle_page_reads_goes(tmp_path, temporary):
    """
    forget, in another process, ends when those who show the flags have dropped their copies.
    """
    place = tmp_path / "flags"
    flags = fill(open_store(place))
    reading = with_index(open_store(place))
    assert reading.count() == 2
    assert b"secret text" in content(temporary)
    command = [sys.executable, "-m", "flagstone", "forget", "--user", "ana", "--yes"]

    subprocess.run([*command, "-s", str(place)], check=True, capture_output=True)

    assert b"secret text" not in content(temporary)
    assert [flag.id for flag in reading.find()] == [flags[1].id]
    reading.close()
    assert list(temporary.iterdir()) == []


def test_a_copy_that_is_not_dropped_is_told(tmp_path, temporary, monkeypatch):
    """
    A program that does not answer holds the erasure up, which says so.
    """
    monkeypatch.setattr("flagstone.operations.forget._TIMEOUT", 0.1)
    place = tmp_path / "flags"
    fill(open_store(place))
    command = [sys.executable, "-c", READ_AND_STOP, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as stopped:
        assert stopped.stdout is not None
        stopped.stdout.readline()
        receipt = forget([open_store(place)], query=Query(user="ana"))
        stopped.kill()
        assert [lost.location for lost in receipt.unfinished] == [str(place)]
    assert b"secret text" in content(temporary)

    finish_erasures(open_store(place))

    assert list(temporary.iterdir()) == []


READ_AND_STOP = """
import os, signal, sys
from flagstone import open_store
from flagstone.stores import with_index
reading = with_index(open_store(sys.argv[1]))
reading.count()
print("read", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""

TO_PYTHON_AND_DIE = """
import os, signal, sys
from flagstone import open_store
for flag in open_store(sys.argv[1]).find():
    for value in flag.outputs.values():
        value.to_python()
os.kill(os.getpid(), signal.SIGKILL)
"""

EXPORT_AND_DIE = """
import os, signal, sys
from flagstone import open_store
from flagstone.exporters.export import export
def die(done, total):
    os.kill(os.getpid(), signal.SIGKILL)
export(open_store(sys.argv[1]), sys.argv[2], format="jsonl", progress=die)
"""


@pytest.mark.parametrize("finisher", ["forget", "doctor"])
@pytest.mark.parametrize("code", [TO_PYTHON_AND_DIE, EXPORT_AND_DIE], ids=["python", "export"])
def test_what_killed_programs_left_elsewhere_goes(tmp_path, temporary, finisher, code):
    """
    Copies that a killed program took, and exports that it did not finish, go by the next of both.
    """
    place, exports = tmp_path / "flags", tmp_path / "exports"
    fill(open_store(place))
    arguments = [sys.executable, "-c", code, str(place), str(exports / "out")]
    assert subprocess.run(arguments, check=False).returncode == -9
    assert b"secret" in content(temporary) + content(exports)

    if finisher == "forget":
        run("forget", "--user", "ana", "-s", place, "--yes")
    else:
        run("doctor", place)

    assert b"secret" not in content(temporary) + content(exports)
    assert [path for path in exports.rglob("*") if path.name.startswith(".part")] == []


def test_the_next_export_removes_what_a_killed_one_left(tmp_path, temporary):
    """
    Also where nobody knows of it any more, as after the temporary folder was emptied.
    """
    place, exports = tmp_path / "flags", tmp_path / "exports"
    fill(open_store(place))
    arguments = [sys.executable, "-c", EXPORT_AND_DIE, str(place), str(exports / "out")]
    subprocess.run(arguments, check=False)
    for note in temporary.iterdir():
        note.rename(tmp_path / note.name)

    export(open_store(place), exports / "out", format="jsonl")

    assert [path.name for path in exports.iterdir()] == ["out"]


HEADER = "picture,text,flag,username,timestamp"
PICTURE = "picture/0123456789abcdef0123/ana.png"


@pytest.fixture
def gradio_folder(tmp_path) -> Path:
    """A log that Gradio wrote, with a picture of ana's, whose path Mallory typed."""
    folder = tmp_path / "flagged"
    (folder / PICTURE).parent.mkdir(parents=True)
    (folder / PICTURE).write_bytes(SECRET)
    rows = [
        f"flagged/{PICTURE},hers,,ana,2026-01-01 12:00:00.000000",
        f"flagged/{PICTURE},mine,,mallory,2026-01-01 12:00:01.000000",
        ",nothing,,bo,2026-01-01 12:00:02.000000",
    ]
    (folder / "log.csv").write_text("".join(f"{row}\n" for row in [HEADER, *rows]))
    return folder


def test_a_file_that_another_row_names_stays(gradio_folder):
    """
    To forget one of those whose rows name a picture keeps it; with the last one it goes.
    """
    run("forget", "--user", "mallory", "-s", gradio_folder, "--yes")
    assert (gradio_folder / PICTURE).read_bytes() == SECRET
    (flag,) = open_store(gradio_folder).find(Query(user="ana"))
    assert [ref.name for ref in flag.files()] == ["ana.png"]

    run("forget", "--user", "ana", "-s", gradio_folder, "--yes")

    assert SECRET not in content(gradio_folder)
    assert [flag.user for flag in open_store(gradio_folder).find()] == ["bo"]


def test_a_path_that_was_typed_names_no_file(gradio_folder):
    """
    In a field of text it is text: neither shown as the picture, nor deleted with it.
    """
    typed = f"flagged/{PICTURE}"
    with (gradio_folder / "log.csv").open("a") as log:
        log.write(f",{typed},,eve,2026-01-01 12:00:03.000000\n")
    (flag,) = open_store(gradio_folder).find(Query(user="eve"))
    assert (flag.inputs["text"].data, list(flag.files())) == (typed, [])

    run("forget", "--user", "mallory", "-s", gradio_folder, "--yes")
    run("forget", "--user", "eve", "-s", gradio_folder, "--yes")

    assert (gradio_folder / PICTURE).read_bytes() == SECRET


GALLERY = "pictures/0123abcd-0123-0123-0123-0123456789ab"


def test_a_gallery_of_gradio_3_goes_whole(tmp_path):
    """
    Its pictures, what is said below them, and the folder; one that somebody else has stays.
    """
    for gallery in (GALLERY, GALLERY.replace("0123abcd", "bbbbbbbb")):
        (tmp_path / gallery).mkdir(parents=True)
        (tmp_path / gallery / "a.png").write_bytes(SECRET)
        (tmp_path / gallery / "captions.json").write_text('{"pictures/a.png": "secret text"}')
    rows = [
        f"flagged/{GALLERY},,ana,2026-01-01 12:00:00",
        f"flagged/{GALLERY.replace('0123abcd', 'bbbbbbbb')},,bo,2026-01-01 12:00:01",
    ]
    (tmp_path / "log.csv").write_text("\n".join(["pictures,flag,username,timestamp", *rows, ""]))
    assert open_store(tmp_path).count(Query(text="secret text")) == 2

    run("forget", "--user", "ana", "-s", tmp_path, "--yes")

    assert not (tmp_path / GALLERY).exists()
    (flag,) = open_store(tmp_path).find(Query(text="secret text"))
    assert (flag.user, [ref.name for ref in flag.files()]) == ("bo", ["a.png"])
    assert (tmp_path / GALLERY.replace("0123abcd", "bbbbbbbb") / "a.png").read_bytes() == SECRET


def test_what_gradio_3_kept_of_a_label_goes(tmp_path):
    """
    The JSON beside its log that a cell names is a file of the row, too.
    """
    (tmp_path / "label").mkdir()
    for user in ("ana", "bo"):
        told = {"label": f"secret of {user}", "confidences": []}
        (tmp_path / f"label/tmp{user:_<8}.json").write_text(json.dumps(told))
    rows = [
        f"flagged/label/tmp{user:_<8}.json,,{user},2026-01-01 12:00:00" for user in ("ana", "bo")
    ]
    (tmp_path / "log.csv").write_text("\n".join(["label,flag,username,timestamp", *rows, ""]))
    assert open_store(tmp_path).count(Query(text="secret of ana")) == 1

    run("forget", "--user", "ana", "-s", tmp_path, "--yes")

    assert b"secret of ana" not in content(tmp_path)
    assert open_store(tmp_path).count(Query(text="secret of bo")) == 1


def test_rows_that_are_alike_are_told_apart(tmp_path):
    """
    Of two rows that say the same one is forgotten, once, however often the erasure is done.
    """
    (tmp_path / "log.csv").write_text("same\r\nsame\r\nother\r\n")
    os.utime(tmp_path / "log.csv", (0, 0))
    store = CsvFolder(tmp_path)
    first = next(flag.id for flag in store.scan())
    before = Path.stat(tmp_path / "log.csv").st_ino

    store.erase([first])
    ids = frozenset([first])
    again = Erasure(flag_ids=ids, record_ids=ids, rows_in={"log.csv": before})
    with pytest.raises(ZeroDivisionError), Erasures(tmp_path / ".erasing").noting(again):
        1 / 0  # noqa: B018
    finish_erasures(store)

    assert (tmp_path / "log.csv").read_text() == "same\nother\n"


def test_a_row_that_was_erased_and_is_back_is_found(tmp_path):
    """
    The doctor erases what an editor, or a backup, brought back into a log.
    """
    store = CsvFolder(tmp_path)
    flags = fill(store)
    log = tmp_path / "dataset1.csv"
    before = log.read_bytes()
    store.erase([flags[0].id])
    log.write_bytes(before)

    told = run("doctor", tmp_path)

    assert "An interrupted erasure of 1 records was finished." in told
    assert b"secret text" not in content(tmp_path)
    assert [flag.id for flag in store.find()] == [flags[1].id]


def test_parts_of_files_that_nobody_writes_go_at_once(tmp_path):
    """
    What a killed writer left of a file or a log is removed by an erasure, and what is being written
    is not.
    """
    store = open_store(tmp_path)
    flags = fill(store)
    left = [tmp_path / ".files/part-0123456789abcdef", tmp_path / ".part-0123456789abcdef"]
    for path in left:
        path.write_bytes(SECRET)
    reader, writer = os.pipe()
    code = (
        "import sys; from flagstone import open_store; s = open_store(sys.argv[1]); "
        "print(s.files.put(sys.stdin.buffer, name='new').sha256)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=reader, stdout=subprocess.PIPE
    )
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(b"new" * 4_000_000)
        pipe.flush()
        deadline = time.monotonic() + 20
        while len(list((tmp_path / ".files").glob("part-*"))) < 2:
            assert time.monotonic() < deadline
        store.erase([flags[0].id])
        assert not any(path.exists() for path in left)
    told, _ = process.communicate()

    assert store.files.path(told.decode().strip()).exists()


def test_an_order_that_cannot_be_done_is_told(tmp_path):
    """
    A copy that is gone keeps the store itself from nothing, and is told until it is back.
    """
    place = tmp_path / "flags.db"
    store = open_store(place)
    flags = fill(store)
    ids = frozenset([flags[0].id])
    order = Erasure(flag_ids=ids, record_ids=ids, places=frozenset([str(tmp_path / "gone.db")]))
    beside = Erasures(tmp_path / "flags.db.forgetting")
    with pytest.raises(ZeroDivisionError), beside.noting(order):
        1 / 0  # noqa: B018

    with pytest.raises(UnfinishedErasureError, match=r"gone\.db yet: .*no store is there"):
        finish_erasures(store)

    assert SECRET not in content(tmp_path)
    assert "gone.db" in run("doctor", place, code=4)
    with open_store(tmp_path / "gone.db") as back:
        back.files.put(io.BytesIO(SECRET), name="ana.txt")
        back.append(flags)
    run("doctor", place)
    assert b"secret text" not in content(tmp_path)
    assert not beside


def test_all_that_is_left_is_told_at_once(tmp_path):
    """
    An id that nobody knows hides no erasure that is not finished.
    """
    place = tmp_path / "flags.db"
    (flag, _) = fill(open_store(place))
    with closing(sqlite3.connect(place)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM flagstone_record").fetchone()

        told = run("forget", flag.id, "nobody", "-s", place, "--yes", code=4)

    assert "Cannot finish the erasure" in told
    assert "Cannot forget nobody: " in told


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        ("csv", "flags/.erasing/0123456789abcdef.json"),
        ("csv", "flags/.forgetting/0123456789abcdef.json"),
        ("sqlite", "flags.db.forgetting/0123456789abcdef.json"),
        ("parquet", "parquet/erasing-0123456789abcdef.json"),
    ],
)
def test_a_damaged_note_is_told(tmp_path, kind, note):
    """
    The doctor does not call a store sound of which nobody knows any more what was to go.
    """
    url = {"csv": "flags", "sqlite": "flags.db", "parquet": "parquet"}[kind]
    where = f"{kind}:{tmp_path / url}" if kind != "sqlite" else str(tmp_path / url)
    fill(open_store(where))
    (tmp_path / note).parent.mkdir(exist_ok=True)
    (tmp_path / note).write_text('{"flagstone_erasure": 1, "flag_ids": [')

    told = run("doctor", where, code=1)

    assert "Cannot finish the erasure saved in" in told
    assert Path(note).name in told
    (tmp_path / note).unlink()
    assert "no damage" in run("doctor", where)
