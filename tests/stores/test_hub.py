"""
A dataset of the Hub as a store: several replicas, every answer it may give, and what others read.
"""

import io
import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hub_server import Fault
from hub_server.state import Blob, Commit
from huggingface_hub import close_session
from PIL import Image

from flagstone import Review, Value, open_store
from flagstone.errors import StoreError, UnknownStoreError
from flagstone.operations.sync import sync
from flagstone.stores.parquet.store import ParquetStore
from flagstone.testing import make_flag

COMMIT = "POST .*/commit/"


@pytest.fixture
def open_hub(hub):
    """What opens a dataset of ana's, as one replica does."""

    def open_as(token="hf_ana", name="ana/flags", **options):
        options |= {"token": token, "endpoint": hub.url}
        return ParquetStore(f"hf://datasets/{name}", options)

    return open_as


def picture(side=4):
    shades = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(shades).save(buffer, "PNG")
    return shades, io.BytesIO(buffer.getvalue())


def ids_in(store):
    return [record.id for record in store.scan()]


def test_a_batch_is_one_commit_of_shard_files_and_card(hub, open_hub):
    """
    A flag with a large picture makes the dataset and then one commit with all that belongs to it.
    """
    store = open_hub(private=True)
    _, content = picture(side=700)
    ref = store.files.put(content, name="big.png", mime_type="image/png")
    store.append([make_flag(inputs={"image": Value(kind="image", data=ref)})])
    repo = hub.dataset("ana/flags")
    assert repo.private
    assert len(repo.commits) == 2
    path = f"data/files/{ref.sha256[:2]}/{ref.sha256}"
    assert {"data/000000000001.parquet", path, "README.md"} < set(repo.head.files)
    with open_hub().files.open(ref) as file:
        assert file.read() == content.getvalue()


def test_replicas_write_one_dataset(hub, open_hub):
    """
    Three replicas that append at once lose nothing and keep nothing twice.
    """
    flags = [[make_flag(f"{replica} {n}") for n in range(4)] for replica in range(3)]
    failures = []

    def work(mine):
        store = open_hub()
        try:
            for flag in mine:
                store.append([flag])
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in flags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(ids_in(open_hub())) == sorted(flag.id for mine in flags for flag in mine)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(COMMIT, kind="cut before"),
        Fault(COMMIT, kind="cut after"),
        Fault(COMMIT, status=409),
        Fault(COMMIT, status=412),
        Fault(COMMIT, status=429, headers={"Retry-After": "0.01"}),
        Fault(COMMIT, status=500),
        Fault(COMMIT, status=503, times=2),
        Fault("PUT /lfs/", status=500),
        Fault("PUT /lfs/", kind="cut after"),
        Fault("objects/batch", kind="cut before"),
        Fault("preupload", status=502),
    ],
    ids=lambda fault: f"{fault.matches}-{fault.kind}-{fault.status}",
)
def test_a_fault_neither_loses_nor_doubles(hub, open_hub, fault):
    """
    Whatever happens to one request, the flag is in the dataset once.
    """
    store = open_hub()
    first, second = make_flag(), make_flag()
    store.append([first])
    hub.faults.append(Fault(**vars(fault)))
    store.append([second])
    assert hub.faults[0].times == 0
    assert ids_in(open_hub()) == [first.id, second.id]


@pytest.mark.parametrize(
    ("token", "name", "words"),
    [
        ("hf_wrong", "ana/flags", "the token is invalid"),
        ("hf_eve", "eve/flags", "needs write access"),
        ("hf_eve", "ana/flags", "needs write access"),
        ("hf_eve", "ana/hidden", "needs write access"),
    ],
)
def test_no_rights_is_a_sentence(hub, open_hub, token, name, words):
    """
    Who may not write is told why, without the token.
    """
    hub.make("datasets", "ana/hidden", private=True)
    open_hub().append([make_flag()])
    with pytest.raises(StoreError, match=words) as caught:
        open_hub(token=token, name=name).append([make_flag()])
    assert token not in str(caught.value)


def test_a_hub_that_stays_down_is_a_sentence(hub, open_hub, monkeypatch):
    """
    After some tries the store gives up, and what was to be appended can be appended later.
    """
    monkeypatch.setattr("flagstone.blobs.hub_repo._WAITS", (0.01, 0.01))
    store = open_hub()
    store.append([make_flag()])
    flag = make_flag()
    hub.faults.append(Fault(COMMIT, status=503, times=3))
    with pytest.raises(StoreError, match="503"):
        store.append([flag])
    store.append([flag])
    assert ids_in(store)[1:] == [flag.id]


def test_a_silent_hub_is_not_waited_for(hub, open_hub, monkeypatch):
    """
    A connection on which nothing comes counts as cut; the flag is there once in the end.
    """
    monkeypatch.setattr("flagstone.blobs.hub_repo._MAX_SILENCE", 0.5)
    close_session()  # the client has the bounds it began with
    store = open_hub()
    store.append([make_flag()])
    hub.faults.append(Fault(COMMIT, kind="delay", seconds=2.0))
    flag = make_flag()
    began = time.monotonic()
    store.append([flag])
    assert hub.faults[0].times == 0
    assert time.monotonic() - began > 0.5
    assert ids_in(store)[1:] == [flag.id]
    close_session()


@pytest.mark.parametrize(
    "url", ["hf://ana/flags", "hf://models/ana/flags", "hf://spaces/ana/flags", "hf://datasets/x"]
)
def test_a_repository_of_another_type_is_refused(url):
    """
    Only a dataset is a store; the sentence says how to name one.
    """
    with pytest.raises(UnknownStoreError, match="hf://datasets/USER/NAME"):
        open_store(url)


def test_a_foreign_dataset_is_left_alone(hub, open_hub):
    """
    Where somebody else's data lies nothing is written.
    """
    repo = hub.make("datasets", "ana/flags")
    repo.commits.append(Commit("mine", {**repo.head.files, "train.csv": Blob(b"a,b\n")}))
    with pytest.raises(StoreError, match=r"'train\.csv'.*name another dataset"):
        open_hub().append([make_flag()])
    assert len(repo.commits) == 2


def test_what_people_wrote_in_the_card_stays(hub, open_hub):
    """
    The card keeps its text and its metadata; only our section is written anew.
    """
    repo = hub.make("datasets", "ana/flags")
    card = b"---\nlicense: mit\n---\n\n# Mine\n\nWords.\n"
    repo.commits.append(Commit("card", {**repo.head.files, "README.md": Blob(card)}))
    store = open_hub()
    store.append([make_flag()])
    store.append([make_flag()])
    text = repo.head.files["README.md"].content.decode()
    assert "license: mit" in text
    assert "# Mine\n\nWords." in text
    assert text.count("2 flags:") == 1
    assert "1 flag:" not in text


def test_a_corrupt_shard_is_named(hub, open_hub):
    """
    A shard that is no Parquet is passed over by its name, and nothing is written over it.
    """
    open_hub().append([make_flag()])
    repo = hub.dataset("ana/flags")
    repo.commits.append(
        Commit("oops", {**repo.head.files, "data/000000000001.parquet": Blob(b"no Parquet")})
    )
    store, flag = open_hub(), make_flag()
    store.append([flag])
    assert list(store.scan()) == [flag]
    ((where, _),) = store.skipped
    assert where.endswith("shard 000000000001.parquet")
    assert repo.head.files["data/000000000001.parquet"].content == b"no Parquet"


def test_what_is_erased_leaves_the_history(hub, open_hub):
    """
    After an erasure no commit and no large file of the dataset has the flag's content, and the only
    commit after the history was squashed says that the erasure is done.
    """
    store = open_hub()
    _, content = picture(side=700)
    ref = store.files.put(content, name="big.png", mime_type="image/png")
    flag = make_flag(inputs={"image": Value(kind="image", data=ref)})
    store.append([flag])
    store.erase([flag.id])
    repo = hub.dataset("ana/flags")
    contents = [blob.content for commit in repo.commits for blob in commit.files.values()]
    assert content.getvalue() not in [*contents, *repo.large.values()]
    assert len(repo.commits) == 2
    assert not [path for path in repo.head.files if "erasing" in path]


def test_small_shards_are_merged_in_one_commit(hub, open_hub, monkeypatch):
    """
    A merged shard comes and those it stands for go at once; another replica reads on.
    """
    monkeypatch.setattr("flagstone.stores.parquet.store._BLOCKS", (4,))
    store, other = open_hub(), open_hub()
    flags = [make_flag(f"{n}") for n in range(5)]
    rest = other.scan()
    for flag in flags[:4]:
        store.append([flag])
    read = [next(rest)]
    store.append([flags[4]])
    assert [*read, *rest] == flags[:4]
    assert list(other.scan()) == flags
    head = hub.dataset("ana/flags").head
    shards = [path for path in head.files if path.endswith(".parquet")]
    assert sorted(shards) == [
        "data/000000000001-000000000004.parquet",
        "data/000000000005.parquet",
    ]
    assert len(hub.dataset("ana/flags").commits) == 1 + 5 + 1


LOAD = """
import json, sys
import numpy as np
from datasets import load_dataset

rows = load_dataset("ana/flags", split="train", token="hf_ana")
kinds = {name: type(rows.features[name]).__name__ for name in rows.features}
pixels = [row["inputs.image"] and np.asarray(row["inputs.image"]).tolist() for row in rows]
json.dump([kinds, pixels, rows["outputs.label"][:], rows["type"][:]], sys.stdout)
"""


def test_datasets_loads_it(hub, open_hub, tmp_path):
    """
    `load_dataset` gives pictures their pixels, embedded or not, and what a row lacks as None.
    """
    local = open_store(tmp_path / "flags.db")
    shades = []
    for side in (4, 700):
        found, content = picture(side)
        shades.append(found.tolist())
        ref = local.files.put(content, name="p.png", mime_type="image/png")
        label = Value(kind="label", data={"label": "cat", "confidences": None})
        flag = make_flag(inputs={"image": Value(kind="image", data=ref)}, outputs={"label": label})
        local.append([flag])
        sync(local, open_hub())
    local.append([Review(flag_id=flag.id, verdict="accepted")])
    sync(local, open_hub())
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    kinds, pixels, labels, types = json.loads(done.stdout)
    assert kinds["inputs.image"] == "Image"
    assert pixels == [*shades, None]
    assert labels == ["cat", "cat", None]
    assert types == ["flag", "flag", "review"]
