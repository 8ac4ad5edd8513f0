"""
`HuggingFaceDatasetSaver`: a flag is safe on this machine, and then in the dataset, once.
"""

import io
import logging
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from command_line import run
from hub_server import Fault

import flagstone.gradio as gr
from flagstone import Query, open_store

COMMIT = "POST .*/commit/"


pytestmark = pytest.mark.usefixtures("_hub_by_default")


def rows_on(hub, name="ana/mistakes"):
    files = hub.dataset(name).head.files
    shards = [blob.content for path, blob in sorted(files.items()) if path.endswith(".parquet")]
    return [row for shard in shards for row in pq.read_table(io.BytesIO(shard)).to_pylist()]


def all_content(hub, name="ana/mistakes"):
    """The bytes of all commits, the old ones as well."""
    commits = hub.dataset(name).commits
    return b"".join(blob.content for commit in commits for blob in commit.files.values())


def set_up(tmp_path, **options):
    saver = gr.HuggingFaceDatasetSaver("hf_ana", "mistakes", **options)
    saver.setup([gr.Textbox(label="text"), gr.Number(label="number")], tmp_path)
    return saver


def test_flags_of_an_interval_are_one_commit(hub, tmp_path):
    """
    Many flags are one commit in a dataset of the token's user, with typed columns.
    """
    saver = set_up(tmp_path, private=True)
    assert [saver.flag([f"text {n}", n], "wrong", "bob") for n in range(5)] == [1, 2, 3, 4, 5]
    assert saver.flush(60)
    rows = rows_on(hub)
    assert [row["inputs.text"] for row in rows] == [f"text {n}" for n in range(5)]
    assert [row["inputs.number"] for row in rows] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert hub.dataset("ana/mistakes").private
    assert len(hub.dataset("ana/mistakes").commits) <= 3


@pytest.mark.parametrize(
    ("args", "keywords", "expected"),
    [
        (("mistakes",), {}, {}),
        (("mistakes",), {"organization": None}, {}),
        (("mistakes",), {"verbose": False}, {"verbose": False}),
        (("mistakes", True), {}, {"private": True}),
        (("mistakes", True, "i.json", True), {}, {"private": True, "info": "i.json", "dirs": True}),
        (("mistakes", None), {}, {}),
        (("mistakes", None), {"private": True}, {"private": True}),
        (("mistakes", None, True), {}, {"private": True}),
        (("mistakes", "acme", True), {}, {"name": "acme/mistakes", "private": True}),
        (("mistakes",), {"organization": "acme"}, {"name": "acme/mistakes"}),
        (("ana/mistakes", "acme"), {}, {"name": "ana/mistakes"}),
        (
            ("mistakes", None, True, "i.json", True, False),
            {},
            {"private": True, "info": "i.json", "dirs": True, "verbose": False},
        ),
    ],
)
def test_arguments_of_gradio_3_and_4_are_taken(args, keywords, expected):
    """
    The order of Gradio 3, with an organization before `private`, is told from that of Gradio 4.
    """
    saver = gr.HuggingFaceDatasetSaver("hf_ana", *args, **keywords)

    found = {
        "name": saver.dataset_name, "private": saver.private, "info": saver.info_filename,
        "dirs": saver.separate_dirs, "verbose": saver.verbose,
    }  # fmt: skip
    default = {"name": "mistakes", "private": False, "info": "dataset_info.json", "dirs": False}
    assert found == {**default, "verbose": True, **expected}


def test_what_is_given_twice_is_refused():
    """
    An argument by position, in the order of either version, and by name is one too many.
    """
    with pytest.raises(TypeError, match="organization"):
        gr.HuggingFaceDatasetSaver("hf_ana", "mistakes", None, organization="acme")
    with pytest.raises(TypeError, match="private"):
        gr.HuggingFaceDatasetSaver("hf_ana", "mistakes", True, private=False)
    with pytest.raises(TypeError, match="positional arguments"):
        gr.HuggingFaceDatasetSaver("hf_ana", "mistakes", None, True, "i.json", True, True, 1)


def test_every_0_waits_for_the_commit(hub, tmp_path):
    """
    With `every=0` the flag is in the dataset when `flag` returns.
    """
    saver = set_up(tmp_path, every=0)
    saver.flag(["a", 1])
    assert len(rows_on(hub)) == 1


def test_an_outage_loses_nothing(hub, tmp_path, caplog, monkeypatch):
    """
    While the Hub is away flags are kept here, the log says so, and they follow.
    """
    monkeypatch.setattr("flagstone.blobs.hub_repo._WAITS", (0.01,))
    monkeypatch.setattr("flagstone.operations.mirror._FIRST_PAUSE", 0.05)
    saver = set_up(tmp_path)
    hub.faults.append(Fault(COMMIT, status=503, times=4))
    saver.flag(["a", 1])
    with open_store(tmp_path / "flags.db") as store:
        assert store.count(Query()) == 1
    with caplog.at_level(logging.WARNING):
        while not saver.flush(60):
            pass
    assert len(rows_on(hub)) == 1
    assert "1 record pending" in caplog.text


def test_the_next_start_catches_up(hub, tmp_path):
    """
    What a run left is copied when the next one begins, before anybody flags.
    """
    first = set_up(tmp_path, every=3600)
    assert first.flush(60)
    hub.faults.append(Fault(COMMIT, status=403, times=100))
    first.flag(["a", 1])
    assert not first.flush(60)
    hub.faults.clear()
    second = set_up(tmp_path)
    assert second.flush(60)
    assert len(rows_on(hub)) == 1


def test_no_rights_is_told_and_the_flag_is_safe(hub, tmp_path, caplog):
    """
    A token that may not write is named as the cause, not shown; flags stay here.
    """
    saver = gr.HuggingFaceDatasetSaver("hf_eve", "ana/mistakes")
    saver.setup([gr.Textbox(label="text")], tmp_path)
    assert saver.flag(["a"]) == 1
    assert not saver.flush(60)
    assert "needs write access" in caplog.text
    assert "hf_eve" not in caplog.text + repr(saver)
    with open_store(tmp_path / "flags.db") as store:
        assert store.count(Query()) == 1


def test_the_token_is_nowhere(hub, tmp_path, caplog):
    """
    Neither what is kept here nor what the log says has the token.
    """
    saver = set_up(tmp_path)
    with caplog.at_level(logging.DEBUG):
        saver.flag(["a", 1])
        assert saver.flush(60)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"hf_ana" not in kept
    assert "hf_ana" not in caplog.text + repr(saver)


def test_status_tells_what_waits_and_why(hub, tmp_path):
    """
    `flagstone sync --status` counts what the dataset lacks; where it cannot, it says why.
    """
    saver = set_up(tmp_path)
    saver.flag(["a", 1])
    assert saver.flush(60)
    with open_store(tmp_path / "flags.db") as store:
        flag = next(store.find(Query()))
    with open_store(tmp_path / "other.db") as other:
        other.append([flag, type(flag)(option="new")])

    def status(**environ):
        command = [
            sys.executable,
            "-m",
            "flagstone",
            "sync",
            "--status",
            str(tmp_path / "other.db"),
        ]
        command.append("hf://datasets/ana/mistakes")
        environ = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "PATH": "", **environ}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    told = status(HF_TOKEN="hf_ana")
    assert told.stdout.startswith("1 record pending (oldest:")
    assert told.returncode == 0
    told = status(HF_TOKEN="hf_wrong")
    assert told.stdout.startswith("2 records pending")
    assert "the token is invalid" in told.stderr
    assert told.returncode == 1


def test_who_is_forgotten_here_is_forgotten_there(hub, tmp_path, monkeypatch):
    """
    The dataset is noted, and asked by `forget --everywhere`: not by who may not see it, which is
    told, but by whose token may write; what is copied later has nothing of it.
    """
    saver = set_up(tmp_path, private=True)
    saver.flag(["of ana", 1], "wrong", "ana")
    saver.flag(["of bob", 2], "wrong", "bob")
    assert saver.flush(60)
    assert b"of ana" in all_content(hub)
    arguments = ("forget", "--user", "ana", "-s", tmp_path, "--everywhere", "--yes")

    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    refused = run(*arguments, code=1)
    monkeypatch.setenv("HF_TOKEN", "hf_ana")
    told = run(*arguments)

    assert "Not reached: hf://datasets/ana/mistakes." in refused
    assert "the token is invalid" in refused
    assert "Forgot 1 flags in hf://datasets/ana/mistakes: 1 records" in told
    saver.flag(["of bob", 3], "wrong", "bob")
    assert saver.flush(60)
    numbers = [row["inputs.number"] for row in rows_on(hub) if row["record"]]
    assert numbers == [2.0, 3.0]
    assert b"of ana" not in all_content(hub)
    assert b"hf_ana" not in (tmp_path / "flags.db.targets").read_bytes()


def test_a_dataset_that_is_gone_is_told(hub, tmp_path, monkeypatch):
    """
    One that was deleted, or is not to be seen with this token, may still have what is asked for.
    """
    saver = set_up(tmp_path)
    saver.flag(["of ana", 1], "wrong", "ana")
    assert saver.flush(60)
    hub.repos.clear()
    monkeypatch.setenv("HF_TOKEN", "hf_ana")

    told = run("forget", "--user", "ana", "-s", tmp_path, "--everywhere", "--yes", code=1)

    assert "Cannot find the copy hf://datasets/ana/mistakes: no store is there" in told
    with open_store(tmp_path / "flags.db") as store:
        assert store.count(Query()) == 0
