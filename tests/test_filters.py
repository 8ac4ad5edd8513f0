"""
Which predictions are worth keeping: each predicate at its edge, and on flags that say nothing.
"""

import pytest

from flagstone import Flag, Value
from flagstone.filters import confidence_below, raised, slower_than
from flagstone.testing import make_flag


def label(*confidences: float) -> Value:
    """A label as Gradio has it; the classes are told apart by their place."""
    classes = [{"label": f"{n}", "confidence": each} for n, each in enumerate(confidences)]
    return Value(kind="label", data={"label": "0", "confidences": classes})


def flag_of(*outputs: Value) -> Flag:
    return make_flag(outputs={f"output {n}": value for n, value in enumerate(outputs)})


@pytest.mark.parametrize(
    ("confidences", "is_unsure"),
    [
        ([0.49], True),
        ([0.5], False),
        ([0.51], False),
        ([0.0], True),
        ([1.0], False),
        ([0.3, 0.3, 0.4], True),
        ([0.3, 0.7], False),
        ([0.7, 0.3], False),
    ],
)
def test_how_sure_a_label_is(confidences, is_unsure):
    """
    The surest class counts, wherever it stands, and the threshold itself is sure enough.
    """
    assert confidence_below(0.5)(flag_of(label(*confidences))) is is_unsure


def test_any_label_may_be_unsure():
    """
    Of more labels than one the least sure decides, in whatever order they come.
    """
    sure, unsure = label(0.9, 0.1), label(0.4, 0.35)

    assert confidence_below(0.5)(flag_of(sure, unsure)) is True
    assert confidence_below(0.5)(flag_of(unsure, sure)) is True
    assert confidence_below(0.5)(flag_of(sure, sure)) is False


@pytest.mark.parametrize(
    "value",
    [
        Value(kind="label", data=None),
        Value(kind="label", data={"label": "3", "confidences": None}),
        Value(kind="label", data={"label": "3", "confidences": []}),
        Value(kind="label", data={"label": "3"}),
        Value(kind="text", data="0.1"),
        Value(kind="number", data=0.1),
        Value(kind="json", data={"confidences": [{"label": "3", "confidence": 0.1}]}),
    ],
    ids=["nothing", "none", "empty", "absent", "text", "number", "json"],
)
def test_what_has_no_confidence_is_not_unsure(value):
    """
    An output that is no label, or a label without confidences, is not what is looked for; nor does
    it hide a label that is.
    """
    assert confidence_below(1.0)(flag_of(value)) is False
    assert confidence_below(1.0)(flag_of(value, label(0.2))) is True


def test_labels_among_the_inputs_do_not_count():
    """
    Only what the model said is looked at, not what it was given.
    """
    flag = make_flag(inputs={"guess": label(0.1)}, outputs={"label": label(0.9)})

    assert confidence_below(0.5)(flag) is False
    assert confidence_below(0.5)(make_flag(outputs={})) is False


@pytest.mark.parametrize(
    ("context", "is_slow"),
    [
        ({"latency": 2.01}, True),
        ({"latency": 2.0}, False),
        ({"latency": 2}, False),
        ({"latency": 3}, True),
        ({"latency": 0.0}, False),
        ({}, False),
    ],
)
def test_how_long_it_took(context, is_slow):
    """
    Longer than the seconds given is slow, just as long is not, and unknown is not either.
    """
    assert slower_than(2)(make_flag(context=context)) is is_slow


def test_whether_it_raised():
    """
    A flag with an error in its context raised, and no other.
    """
    error = {"type": "ValueError", "message": "", "traceback": ""}

    assert raised(make_flag(context={"error": error, "latency": 1.0})) is True
    assert raised(make_flag(context={"latency": 1.0})) is False
    assert raised(make_flag(comment="error", option="error")) is False
