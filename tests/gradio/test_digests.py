"""
What counts as what the server made: only what a page could honestly hold of it.
"""

import copy
import json
import math
from typing import Any

import pytest
from component_cases import CASES, Files
from flagging_ways import Sides, as_browser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_matrix import NOT_ON_A_PAGE

from flagstone.core import codec
from flagstone.errors import RejectedFlagError
from flagstone.gradio.payloads.convert import to_value
from flagstone.gradio.recording.digests import digests_of, posted_digest_of
from flagstone.stores.memory import MemoryStore

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

NAMES = [name for name in CASES if name not in NOT_ON_A_PAGE and not name.startswith("State ")]

ODD = [
    None, True, False, 0, 1, -1, 1.0, 0.1, -0.0, math.nan, math.inf, -math.inf, 10**400, -(10**30),
    2**53, 2**53 + 1, float(2**53), "", "1", "1.0", "null", "true", "text/html", "a.html", "é",
    "e\u0301", "\u202e", "\x00", "../../etc/passwd", [], {}, [None], {"a": 1},
]  # fmt: skip
values = st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=5)


class Made(dict[str, tuple[Any, Any]]):
    """What a server made, by name, too much to be printed by a test that fails."""

    def __repr__(self) -> str:
        return "made"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """By the name of a case, its component as an output, and what the server made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        files = Files(tmp_path_factory.mktemp("gradio") / "uploads")
        sides = {name: Sides([name], files) for name in NAMES}
        yield Made((name, (side.outputs[0], side.payloads[0])) for name, side in sides.items())


def record_of(component, payload):
    """What a flag would have; None where there would be none."""
    store = MemoryStore()
    try:
        value = to_value(component, payload, field="f", description={}, files=store.files)
    except (RejectedFlagError, ValueError):
        return None
    return codec.dumps(value.data)


def places_in(data, place=()):
    """Where each part of *data* stands."""
    yield place
    parts = data.items() if isinstance(data, dict) else ()
    parts = enumerate(data) if isinstance(data, list | tuple) else parts
    for key, part in parts:
        yield from places_in(part, (*place, key))


def changed(data, place, change):
    """*data* with *change* made at *place*."""
    if not place:
        return change(data)
    first, *rest = place
    inside = dict(data) if isinstance(data, dict) else list(data)
    inside[first] = changed(inside[first], rest, change)
    return inside


def forged(payload, place, how, at, value):
    """*payload* with one part changed, added or left out, as a visitor may post it."""
    places = list(places_in(payload))

    def change(part):
        if isinstance(part, dict) and how != "replace":
            keys = [*part, "junk", "mime_type", "path", "url"]
            return {**part, keys[at % len(keys)]: value}
        if isinstance(part, list | tuple) and how != "replace":
            n = at % (len(part) + 1)
            return [*part[:n], *([value] if how == "add" else []), *part[n + (how != "add") :]]
        return value

    return changed(payload, places[place % len(places)], change)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_holds_honestly_is_known(name, made):
    """
    What the server sent comes back from a page, or from a program, as the server's.
    """
    component, payload = made[name]
    digests = digests_of(component, payload)

    assert digests.matches(posted_digest_of(component, as_browser(copy.deepcopy(payload))))
    if all_finite(payload):
        program = json.loads(json.dumps(payload))
        assert digests.matches(posted_digest_of(component, program))


def all_finite(data):
    try:
        json.dumps(data, allow_nan=False)
    except ValueError:
        return False
    return True


@settings(
    max_examples=1_500, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    name=st.sampled_from(NAMES), place=st.integers(0, 1_000), at=st.integers(0, 20),
    how=st.sampled_from(["replace", "add", "drop"]), value=values,
)  # fmt: skip
def test_only_what_a_page_could_hold_is_known(name, place, at, how, value, made):
    """
    Whatever is posted instead is not the server's, or its record is that of an honest page.
    """
    component, payload = made[name][0], copy.deepcopy(made[name][1])
    posted = forged(payload, place, how, at, value)

    if digests_of(component, payload).matches(posted_digest_of(component, posted)):
        honest = (payload, as_browser(copy.deepcopy(payload)))
        assert record_of(component, posted) in {record_of(component, each) for each in honest}
