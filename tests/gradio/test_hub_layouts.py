"""
`HuggingFaceDatasetSaver` in the layouts of Gradio 4: their files, gone on with and never lost.
"""

import csv
import io
import json
import logging
import os
from pathlib import Path

import pytest
from hub_server import Fault
from hub_server.state import Blob, Commit
from PIL import Image

import flagstone.gradio as gr
from flagstone.blobs.hub_repo import Commits
from flagstone.core.records import Review, Value
from flagstone.errors import StoreError
from flagstone.stores.csv_folder.store import CsvFolder
from flagstone.stores.hub_legacy.flag_folders import FlagFolders
from flagstone.stores.hub_legacy.repo_folder import RepoFolderStore
from flagstone.testing import make_flag

pytestmark = pytest.mark.usefixtures("_hub_by_default")

OLD = (
    "Image,Image file,text,flag,username\r\n"
    "Image/ab/old.png,https://hf/old.png,'=1+1,wrong,bob\r\n"
    ',,"two\nlines",,\r\n'
)
"""`data.csv` as Gradio 4 wrote it."""


@pytest.fixture
def picture(gradio_cache):
    """A picture that was uploaded to the demo, as its payload."""
    path = gradio_cache / "abc" / "cat.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (4, 3), "red").save(path)
    return {"path": str(path), "orig_name": "cat.png", "meta": {"_type": "gradio.FileData"}}


def set_up(folder, **options):
    saver = gr.HuggingFaceDatasetSaver("hf_ana", "mistakes", **options)
    saver.setup([gr.Image(label="Image"), gr.Textbox(label="text")], folder)
    return saver


def files_on(hub):
    files = hub.dataset("ana/mistakes").head.files
    return {path: blob.content for path, blob in files.items() if not path.startswith(".")}


def rows_of(content):
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def plant(hub, files):
    """A dataset that is there before we come."""
    repo = hub.make("datasets", "ana/mistakes")
    blobs = {path: Blob(content) for path, content in files.items()}
    repo.commits.append(Commit("old", {**repo.head.files, **blobs}))


def on_disk(folder):
    return {name for _, _, names in os.walk(folder) for name in names}


def test_csv_as_gradio_4_tests_it(hub, tmp_path):
    """
    Two flags are numbered 1 and 2, and on disk is nothing but `data.csv` (and what is hidden).
    """
    saver = set_up(tmp_path, layout="csv")
    assert saver.flag([None, "test"], "") == 1
    assert saver.flag([None, "test"]) == 2
    assert saver.flush(60)
    assert on_disk(tmp_path) == {"data.csv", ".targets"}
    assert [row["text"] for row in rows_of(files_on(hub)["data.csv"])] == ["test", "test"]


def test_folders_as_gradio_4_tests_them(hub, tmp_path):
    """
    Two flags are numbered 1 and 2, and all on disk is `metadata.jsonl` (and what is hidden).
    """
    saver = set_up(tmp_path, separate_dirs=True)
    assert saver.flag([None, "test"], "") == 1
    assert saver.flag([None, "test"]) == 2
    assert saver.flush(60)
    assert on_disk(tmp_path) == {"metadata.jsonl", ".lock", ".targets"}
    assert len([path for path in files_on(hub) if path.endswith("/metadata.jsonl")]) == 2
    assert set_up(tmp_path, separate_dirs=True).flag([None, "third"]) == 3


@pytest.mark.parametrize("options", [{"layout": "csv"}, {"separate_dirs": True}])
def test_setup_as_gradio_4_tests_it(hub, tmp_path, options):
    """
    `setup` alone makes the dataset, by one request, and looks at what is in it.
    """
    plant(hub, {"dataset_info.json": b"{}", "data.csv": OLD.encode()})
    saver = set_up(tmp_path, **options)
    assert saver.flush(60)
    assert hub.requests.count("POST /api/repos/create") == 1
    assert any("/tree/" in request for request in hub.requests)
    if options.get("layout"):
        assert any("/resolve/" in request and "data.csv" in request for request in hub.requests)


def test_the_columns_of_csv(hub, tmp_path, picture):
    """
    A picture has its path and its address, all else is text, and the card names the rows.
    """
    saver = set_up(tmp_path, layout="csv")
    saver.flag([picture, "=1+1"], "wrong", "bob")
    saver.flag([None, "b"])
    assert saver.flush(60)
    files = files_on(hub)
    first, second = rows_of(files["data.csv"])
    assert list(first) == ["Image", "Image file", "text", "flag", "username", "record"]
    assert files[first["Image"]] == Path(picture["path"]).read_bytes()
    address = f"{hub.url}/datasets/ana/mistakes/resolve/main/{first['Image']}"
    assert first["Image file"] == address
    assert (first["text"], first["flag"], first["username"]) == ("'=1+1", "wrong", "bob")
    assert (second["Image"], second["Image file"]) == ("", "")
    features = json.loads(files["dataset_info.json"])["flagged"]["features"]
    assert features["Image file"] == {"_type": "Image"}
    assert list(features) == ["Image", "Image file", "text", "flag", "username"]
    assert "path: data.csv" in files["README.md"].decode()


def test_the_cells_of_folders(hub, tmp_path, picture):
    """
    A flag is a folder with one line of JSON, and its picture beside it.
    """
    saver = set_up(tmp_path, separate_dirs=True, info_filename="info.json")
    saver.flag([picture, "a"], "wrong", "bob")
    assert saver.flush(60)
    files = files_on(hub)
    [path] = [path for path in files if path.endswith("metadata.jsonl")]
    row = json.loads(files[path])
    assert list(row) == ["Image", "Image file", "text", "flag", "username", "record"]
    assert row["Image"].startswith(path.split("/")[0])
    assert files[row["Image"]] == Path(picture["path"]).read_bytes()
    assert "info.json" in files
    assert "**/*.jsonl" in files["README.md"].decode()


def test_a_dataset_of_gradio_4_goes_on(hub, tmp_path, picture):
    """
    Old rows and files stay as they were; new ones follow in the same columns.
    """
    old = {"dataset_info.json": b'{"old": 1}', "data.csv": OLD.encode(), "Image/ab/old.png": b"p"}
    plant(hub, old)
    saver = set_up(tmp_path, layout="csv")
    saver.flag([picture, "new"], "wrong")
    assert saver.flush(60)
    files = files_on(hub)
    *before, new = rows_of(files["data.csv"])
    assert [{key: row[key] for key in list(row)[:-1]} for row in before] == rows_of(OLD.encode())
    assert new["text"] == "new"
    assert files["Image/ab/old.png"] == b"p"
    assert files["dataset_info.json"] == old["dataset_info.json"]


def test_what_gradio_4_left_here_is_not_copied_again(hub, tmp_path):
    """
    Gradio kept what it sent here, too; those rows are told from new ones.
    """
    plant(hub, {"dataset_info.json": b"{}", "data.csv": OLD.encode()})
    (tmp_path / "mistakes").mkdir()
    (tmp_path / "mistakes" / "data.csv").write_text(OLD, newline="")
    saver = set_up(tmp_path, layout="csv")
    saver.flag([None, "new"])
    assert saver.flush(60)
    assert [row["text"] for row in rows_of(files_on(hub)["data.csv"])] == [
        "'=1+1",
        "two\nlines",
        "new",
    ]


@pytest.mark.parametrize("options", [{"layout": "csv"}, {"separate_dirs": True}])
def test_replicas_share_a_dataset(hub, tmp_path, options, picture, monkeypatch):
    """
    Who is refused because somebody else was faster goes on from there; each flag is there once.
    """
    monkeypatch.setattr("flagstone.blobs.hub_repo._WAITS", (0.01,) * 9)
    savers = [set_up(tmp_path / str(n), **options) for n in range(3)]
    for number in range(4):
        hub.faults.append(Fault("POST .*/commit/", kind="cut after"))
        for replica, saver in enumerate(savers):
            saver.flag([picture, f"{replica}-{number}"])
        for copier in [copier for saver in savers for copier in saver._copiers.values()]:
            with copier._turn:
                copier._ask()
    for saver in savers:
        while not saver.flush(60):
            pass
    files = files_on(hub)
    if options.get("layout"):
        texts = [row["text"] for row in rows_of(files["data.csv"])]
    else:
        texts = [json.loads(files[path])["text"] for path in files if path.endswith("jsonl")]
    assert sorted(texts) == sorted(f"{replica}-{n}" for replica in range(3) for n in range(4))


def test_other_fields_have_a_config_of_their_own(hub, tmp_path):
    """
    Flags of a demo that has changed are in a log beside, which loaders find.
    """
    saver = set_up(tmp_path, layout="csv")
    saver.flag([None, "a"])
    saver.setup([gr.Number(label="number")], tmp_path)
    saver.flag([1])
    assert saver.flush(60)
    files = files_on(hub)
    assert len(rows_of(files["data.csv"])) == len(rows_of(files["data2.csv"])) == 1
    assert "config_name: data2" in files["README.md"].decode()


@pytest.mark.parametrize("options", [{"layout": "csv"}, {"separate_dirs": True}])
def test_a_foreign_dataset_is_left_alone(hub, tmp_path, options, caplog):
    """
    Where files lie that no saver wrote, nothing is changed, and the flag stays here.
    """
    plant(hub, {"train.csv": b"a,b\r\n1,2\r\n"})
    saver = set_up(tmp_path, **options)
    saver.flag([None, "a"])
    with caplog.at_level(logging.WARNING):
        assert not saver.flush(60)
    assert files_on(hub) == {"train.csv": b"a,b\r\n1,2\r\n"}
    assert "holds files that Flagstone did not write, such as 'train.csv'" in caplog.text
    assert on_disk(tmp_path) & {"data.csv", "metadata.jsonl"}


def open_on(hub, make):
    commits = Commits("hf://datasets/ana/mistakes", token="hf_ana", endpoint=hub.url)
    return RepoFolderStore(
        commits,
        lambda folder: make(folder, address=commits.address),
        log=".csv",
        configs=lambda paths: {"default": "data.csv"},
        once={"dataset_info.json": b"{}"},
    )


@pytest.mark.parametrize("make", [CsvFolder, FlagFolders])
def test_it_reads_and_erases(hub, make):
    """
    What is kept comes back with its files and reviews; what is erased leaves no byte behind.
    """
    store = open_on(hub, make)
    ref = store.files.put(io.BytesIO(b"secret bytes"), name="s.bin")
    flag, other = make_flag(inputs={"file": Value(kind="file", data=ref)}), make_flag("open")
    review = Review(flag_id=flag.id, note="secret note")
    store.append([flag, other, review])
    again = open_on(hub, make)
    assert {record.id for record in again.scan()} == {flag.id, other.id, review.id}
    with again.files.open(ref) as file:
        assert file.read() == b"secret bytes"
    again.erase([flag.id])
    repo = hub.dataset("ana/mistakes")
    kept = [blob.content for commit in repo.commits for blob in commit.files.values()]
    assert b"secret" not in b"".join([*kept, *repo.large.values()])
    assert [record.id for record in open_on(hub, make).scan()] == [other.id]
    store.files.put(io.BytesIO(b"secret bytes"), name="s.bin")
    store.append([flag])
    assert [record.id for record in open_on(hub, make).scan()] == [other.id]


def test_a_path_that_leads_outside_is_refused(hub):
    """
    A name in the dataset never becomes a path outside of our folder.
    """
    plant(hub, {"dataset_info.json": b"{}", "a/../../evil.csv": b"a"})
    with pytest.raises(StoreError, match="is outside of the dataset"):
        open_on(hub, CsvFolder)
