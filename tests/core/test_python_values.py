"""
Values as Python has them; tests/gradio/test_round_trip.py has a case for every component.
"""

import base64
import io

import pytest
from PIL import Image

from flagstone import FileRef, Value
from flagstone.errors import UnreadableValueError
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag


def read_back(kind: str, data: object, content: bytes | None = None) -> Value:
    """The value, through a store; *data* may be a function of the file with this *content*."""
    store = MemoryStore()
    if content is not None:
        data = data(store.files.put(io.BytesIO(content), name="a.png"))
    store.append([make_flag(inputs={"x": Value(kind=kind, data=data)})])
    (flag,) = store.scan()
    return flag.inputs["x"]


def test_without_a_store_a_file_cannot_be_read():
    """
    A value that no store gave has no bytes, and says so.
    """
    value = Value(kind="image", data=FileRef(sha256="0" * 64, name="scan.png", size=3))

    with pytest.raises(UnreadableValueError, match=r"scan\.png.*no.* store"):
        value.to_python()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("label", {"nonsense": 1}),
        ("table", {"headers": ["a"], "data": [[1, 2]]}),
        ("image", "text"),
        ("image", {"url": "data:image/png;base64,????"}),
        ("gallery", [{}]),
        ("highlighted_text", [1]),
        ("plot", {"type": "plotly", "plot": "{"}),
        ("audio", 7),
    ],
)
def test_data_of_another_shape(kind, data):
    """
    What is not as its kind says is an error that names the kind, and is there as `data`.
    """
    value = read_back(kind, data)

    with pytest.raises(UnreadableValueError, match=f"kind {kind!r}"):
        value.to_python()
    assert value.data == data


def test_a_bomb_is_not_opened():
    """
    An image of more pixels than PIL thinks safe is an error, not a full memory.
    """
    png = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(png, "PNG")

    inline = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    for value in (
        read_back("image", lambda ref: ref, png.getvalue()),
        read_back("image", {"path": None, "url": inline}),
        read_back("plot", {"type": "matplotlib", "plot": inline}),
    ):
        with pytest.raises(UnreadableValueError, match="decompression bomb"):
            value.to_python()


def test_text_where_a_moment_could_be():
    """
    A DateTime may hold text that is no moment.
    """
    assert read_back("datetime", "now - 1d").to_python() == "now - 1d"


def test_a_path_is_a_copy_of_its_own():
    """
    To write to a path changes nothing: neither what was kept nor what is read next.
    """
    value = read_back("file", lambda ref: [ref], b"content")

    (path,) = value.to_python()
    path.write_bytes(b"changed")

    with value.files.open(value.data[0]) as file:
        assert file.read() == b"content"
    assert value.to_python()[0].read_bytes() == b"content"
