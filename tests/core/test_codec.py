"""
The codec: any data comes back as it went in, or is refused.
"""

import enum
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstone.core.codec import FileRef, dumps, files_in, loads
from flagstone.errors import UnserializableValueError

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None, categories=None))
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.sampled_from(["$int", "$tuple"]), inner)
    ),
    max_leaves=20,
)


@given(anything)
def test_any_data_comes_back(data):
    """
    Whatever Hypothesis thinks of comes back equal, with its types, through strict JSON.
    """
    text = dumps(data)

    assert loads(text) == data
    assert dumps(loads(text)) == text
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    text.encode()


def test_nan_comes_back():
    """
    NaN, which equals nothing, is still NaN.
    """
    assert math.isnan(loads(dumps(math.nan)))


class Color(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (object(), r"f: it is a builtins\.object"),
        ({"a": [1, {2}]}, r"f\.a\.1: it is a builtins.set"),
        ({"a": ({"b": Color.RED},)}, r"f\.a\.0\.b: it is a test_codec.Color"),
        ({Color.RED: 1}, r"f\.red: it is a test_codec.Color"),
    ],
)
def test_what_would_change_is_refused(data, where):
    """
    A value of a type that would not come back is refused, and the sentence says where it is.
    """
    with pytest.raises(UnserializableValueError, match=where):
        dumps(data, "f")


@pytest.mark.parametrize(
    "text",
    ["", "nope", '{"$int":1}', '{"$nonsense":1}', '{"$file":{}}', '{"$file":{"sha256":"../x"}}',
     '{"$dict":[1]}', '{"$bytes":"!"}', '{"$text":"é"}', '{"$float":"x"}', '{"$tuple":1}',
     '{"$file":{"sha256":"' + "G" * 64 + '","name":"","size":1}}', "NaN"],
)  # fmt: skip
def test_what_is_not_ours_is_a_value_error(text):
    """
    Text that dumps() did not write raises ValueError, whatever is wrong with it.
    """
    with pytest.raises(ValueError, match=r"\w"):
        loads(text)


def test_files_are_found_wherever_they_are():
    """
    Every file within the data is found, in order.
    """
    refs = [FileRef(sha256=digit * 64, name=digit, size=1) for digit in "abc"]

    assert list(files_in({"x": [refs[0], (refs[1],)], "y": {"z": refs[2]}})) == refs
