"""
Exports for annotators: what Label Studio and Argilla import.
"""

import io
import json
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from flagstone import Review, Value, open_store
from flagstone.errors import NothingToExportError
from flagstone.exporters.export import export
from flagstone.testing import make_flag

HOSTILE = '"/><script>&\u202e\0'


def label(name, *others) -> Value:
    confidences = [{"label": each, "confidence": 0.5} for each in (name, *others)]
    return Value(kind="label", data={"label": name, "confidences": confidences})


@pytest.fixture
def store(tmp_path):
    """A flag of a picture with a label that was corrected, and one of hostile text."""
    store = open_store(tmp_path / "flags.db")
    ref = store.files.put(io.BytesIO(b"picture"), name="../a b.png", mime_type="image/png")
    picture = make_flag(
        inputs={"Image!": Value(kind="image", data=ref), HOSTILE: Value(kind="text", data=HOSTILE)},
        outputs={"digit": label("3", "8"), "why": Value(kind="text", data=HOSTILE)},
        comment="look",
    )
    store.append([picture, make_flag(inputs={}, outputs={"digit": label("1")})])
    store.append([Review(flag_id=picture.id, correction={"digit": label("5")})])
    return store


def test_label_studio_has_tasks_and_an_interface(store, tmp_path):
    """
    What went in is shown, what came out a prediction, the correction an annotation.
    """
    manifest = export(store, tmp_path / "out", format="label-studio")

    out = tmp_path / "out"
    config = ET.fromstring((out / "config.xml").read_text())
    first, second = tasks = json.loads((out / "tasks.json").read_bytes())
    assert manifest.rows == len(tasks) == 2
    shown = {tag.get("value"): tag.tag for tag in config if (tag.get("value") or "")[0:1] == "$"}
    assert shown == {"$inputs_image": "Image", "$inputs_script": "Text"}
    assert [choice.get("value") for choice in config.iter("Choice")] == ["1", "3", "5", "8"]
    place = unquote(first["data"]["inputs_image"].removeprefix("/data/local-files/?d="))
    assert (out / place).read_bytes() == b"picture"
    assert first["data"]["inputs_script"] == HOSTILE
    assert first["data"]["flag_comment"] == "look"
    digit = {"from_name": "outputs_digit", "to_name": "inputs_image", "type": "choices"}
    why = {"from_name": "outputs_why", "to_name": "inputs_image", "type": "textarea"}
    assert first["predictions"] == [
        {
            "result": [
                digit | {"value": {"choices": ["3"]}},
                why | {"value": {"text": [HOSTILE]}},
            ]
        }
    ]
    assert first["annotations"] == [{"result": [digit | {"value": {"choices": ["5"]}}]}]
    assert second["annotations"] == []
    names = {tag.get("name") for tag in config.iter()}
    assert {tag.get("toName") for tag in config.iter()} - {None} <= names


def test_argilla_has_settings_and_records(store, tmp_path):
    """
    Each question has a suggestion: the correction, or what the model said.
    """
    export(store, tmp_path / "out", format="argilla")

    settings = json.loads((tmp_path / "out" / ".argilla" / "settings.json").read_bytes())
    first, second = json.loads((tmp_path / "out" / "records.json").read_bytes())
    assert [field["settings"]["type"] for field in settings["fields"]] == ["text", "image", "text"]
    digit, why = settings["questions"]
    assert [option["value"] for option in digit["settings"]["options"]] == ["1", "3", "5", "8"]
    assert why["settings"]["type"] == "text"
    assert first["fields"] == {
        "flag": "digits, wrong, look",
        "inputs_image": "data:image/png;base64,cGljdHVyZQ==",
        "inputs_script": HOSTILE,
    }
    assert first["suggestions"]["outputs_digit"]["value"] == "5"
    assert first["suggestions"]["outputs_why"]["value"] == HOSTILE
    assert second["fields"] == {"flag": "digits, wrong"}
    assert second["suggestions"]["outputs_digit"]["value"] == "1"


def test_labels_that_nobody_could_choose_from_are_text(tmp_path):
    """
    With hundreds of labels, or with values that are none, an annotator writes the answer.
    """
    store = open_store("memory:")
    store.append(
        make_flag(outputs={"many": label(str(n)), "mixed": Value(kind="text", data="x")})
        for n in range(300)
    )
    store.append([make_flag(outputs={"mixed": label("y")})])

    export(store, tmp_path / "out", format="label-studio")

    config = ET.fromstring((tmp_path / "out" / "config.xml").read_text())
    assert [tag.get("name") for tag in config.iter("TextArea")] == ["outputs_many", "outputs_mixed"]


@pytest.mark.parametrize("form", ["label-studio", "argilla"])
def test_without_outputs_there_is_nothing_to_ask(tmp_path, form):
    """
    Flags of which nothing came out are no tasks.
    """
    store = open_store("memory:")
    store.append([make_flag(outputs={})])

    with pytest.raises(NothingToExportError):
        export(store, tmp_path / "out", format=form)
