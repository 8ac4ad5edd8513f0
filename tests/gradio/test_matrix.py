"""
One record, whichever way it was made, wherever the demo was built, and whoever posted it.
"""

import copy
from itertools import product

import pytest
from component_cases import CASES, GRADIO, Files
from demo_page import numbers_of
from flagging_ways import PLACES, POSTERS, TITLE, WAYS, Sides, opened
from rounds import PROOFS

from flagstone import Flag
from flagstone.core import codec
from flagstone.core.query import Query
from flagstone.gradio.payloads.convert import to_value
from flagstone.gradio.payloads.fields import Fields
from flagstone.stores.memory import MemoryStore

pytestmark = [
    # Gradio's own templates use arguments that Gradio has deprecated.
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
    pytest.mark.slow,
]

NOT_ON_A_PAGE = {
    "Textbox lone surrogate": "Gradio cannot send it to a page",
    "LoginButton": "it asks the Hub who is there",
    "LogoutButton": "it asks the Hub who is there",
    "DuplicateButton": "it opens the Hub",
    "DeepLinkButton": "it is no field: a press of it changes the address",
    "Navbar": "a page has one at most",
}
STATES = [name for name in CASES if name.startswith("State ")]
"""An Interface has one state at most."""

OTHERS = [name for name in CASES if name not in {*NOT_ON_A_PAGE, *STATES}]
CHANGED_IN_PLACE = STATES[1]


def pairs(some, others):
    """
    Each of *some* with each of *others* in `make proofs`; else each of both with two of the others.

    On an older Gradio each of both occurs at least once.
    """
    some, others = list(some), list(others)
    if PROOFS and GRADIO == 6:
        return list(product(some, others))
    number = max(len(some), len(others))
    turns = 2 if GRADIO == 6 else 1
    return [
        (some[n % len(some)], others[(n + turn) % len(others)])
        for turn in range(turns)
        for n in range(number)
    ]


class Expected:
    """What the record of *sides* says, where the inputs were posted in the form *shape*."""

    def __init__(self, sides: Sides, shape) -> None:
        store = MemoryStore()
        fields = Fields([*sides.inputs, *sides.outputs])

        def values(components, payloads, first):
            return {
                fields.names[n]: to_value(
                    component, payload, field="", description=fields.descriptions[n],
                    files=store.files,
                )
                for n, (component, payload) in enumerate(
                    zip(components, payloads, strict=True), first
                )
            }  # fmt: skip

        posted = [
            payload if component.stateful else shape(copy.deepcopy(payload))
            for component, payload in zip(sides.inputs, sides.payloads, strict=True)
        ]
        self.inputs = values(sides.inputs, posted, 0)
        self.outputs = values(sides.outputs, sides.payloads, len(sides.inputs))


def facts(values):
    """What *values* say, to the character: 1 is not 1.0."""
    return {
        name: (value.kind, codec.dumps(value.data), value.component)
        for name, value in values.items()
    }


def flag_as(way, page, predict, shape, sides):
    """Predict and, where that alone makes no flag, press Flag."""
    inputs = [
        None if component.stateful else shape(copy.deepcopy(payload))
        for component, payload in zip(sides.inputs, sides.payloads, strict=True)
    ]
    made = predict(page, page.number_of("fn"), inputs)
    outputs = [
        None if component.stateful else shape(payload)
        for component, payload in zip(sides.outputs, made, strict=True)
    ]
    if "auto" in way:
        return
    asked = [None, None] if way in ("panel", "attached") else []
    number = numbers_of(page.demo, "FlagMethod", "_keep", "press")[-1 if asked else 0]
    answer = page.call(number, [*inputs, *outputs, *asked])
    assert answer.status_code == 200, answer.text


def assert_one_record(way, place, names, files):
    sides, store = Sides(names, files), MemoryStore()
    expected = {name: Expected(sides, shape) for name, (shape, _) in POSTERS.items()}
    with opened(place, lambda: WAYS[way](sides, store)) as page:
        for session, (shape, predict) in POSTERS.items():
            page.session = session
            flag_as(way, page, predict, shape, sides)

    flags = list(store.find(Query(order="oldest")))
    assert [flag.session for flag in flags] == list(POSTERS)
    for flag in flags:
        of_session = expected[flag.session]
        assert facts(flag.inputs) == facts(of_session.inputs)
        assert facts(flag.outputs) == facts(of_session.outputs)
        assert flag.fingerprint == Flag(inputs=of_session.inputs).fingerprint
        assert (flag.app, flag.option, flag.comment, flag.user) == (TITLE, None, None, None)
        assert flag.correction == {}
        assert flag.verified is True
        context = {name: flag.context.get(name) for name in ("origin", "replayable")}
        assert context == {"origin": "run", "replayable": True}
        assert "missing_inputs" not in flag.context


@pytest.fixture
def files(gradio_cache):
    return Files(gradio_cache / "uploads")


@pytest.mark.parametrize(("way", "place"), pairs(WAYS, PLACES))
def test_one_record_for_every_component(way, place, files):
    """
    Inputs as the function was given them, outputs as it made them, verified: the same each way.
    """
    assert_one_record(way, place, [*OTHERS, CHANGED_IN_PLACE], files)


@pytest.mark.parametrize(("way", "state"), pairs(WAYS, STATES))
def test_one_record_for_every_state(way, state, files):
    """
    A state is what the function was given, of whatever type, also where it is changed in place.
    """
    assert_one_record(way, "alone", ["Textbox plain", state], files)
