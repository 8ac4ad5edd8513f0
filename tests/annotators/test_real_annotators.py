"""
Exports that the annotators themselves took in: what they then show is what was flagged.
"""

import base64
import io
import json
import os
import subprocess
import wave
from pathlib import Path
from typing import Any

from PIL import Image
from studio_server import LabelStudio

from flagstone import Flag, Review, Store, Value, open_store
from flagstone.exporters.export import export
from flagstone.testing import make_flag

HERE = Path(__file__).parent
ANNOTATORS = Path(os.environ["FLAGSTONE_ANNOTATORS"]).absolute()
HOSTILE = '"/><script>&\u202e{{x}}$y'


def label(name: str, *others: str) -> Value:
    confidences = [{"label": each, "confidence": 0.5} for each in (name, *others)]
    return Value(kind="label", data={"label": name, "confidences": confidences})


def text(data: str) -> Value:
    return Value(kind="text", data=data)


def picture() -> bytes:
    Image.new("RGB", (4, 3), (10, 20, 30)).save(file := io.BytesIO(), "PNG")
    return file.getvalue()


def sound() -> bytes:
    with wave.open(file := io.BytesIO(), "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(bytes(1600))
    return file.getvalue()


def put(store: Store, content: bytes, name: str, mime_type: str) -> Value:
    ref = store.files.put(io.BytesIO(content), name=name, mime_type=mime_type)
    return Value(kind=mime_type.partition("/")[0], data=ref)


def flagged(folder: Path) -> tuple[Store, Flag, Flag]:
    """A flag of a picture, a sound and texts, its label corrected, and one with no inputs."""
    store = open_store(folder / "flags.db")
    inputs = {
        "Image!": put(store, picture(), "../a b.png", "image/png"),
        "Sound": put(store, sound(), "ü.wav", "audio/wav"),
        HOSTILE: text(HOSTILE),
        "n": Value(kind="number", data=0.5),
    }
    outputs = {"digit": label("3", "8"), "why": text(HOSTILE)}
    full = make_flag(inputs=inputs, outputs=outputs, comment="look")
    bare = make_flag(inputs={}, outputs={"digit": label("1")})
    store.append([full, bare, Review(flag_id=full.id, correction={"digit": label("5")})])
    return store, full, bare


def run(annotator: str, script: str, *arguments: Path) -> str:
    """What *script* prints, run in the environment of *annotator*."""
    command = [ANNOTATORS / annotator / "bin" / "python", HERE / script, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


class TestArgilla:
    """What its server gives a client after `rg.Dataset.from_disk`."""

    def read(self, folder: Path) -> dict[str, Any]:
        run("argilla", "argilla_reads.py", folder, folder / "read.json")
        return dict(json.loads((folder / "read.json").read_text()))

    def test_every_value_is_there(self, tmp_path):
        """
        A record for each flag, with what went in, and what is known so far as suggestions.
        """
        store, full, bare = flagged(tmp_path)
        export(store, tmp_path / "out", format="argilla")

        read = self.read(tmp_path / "out")

        fields = {field["title"]: field["type"] for field in read["settings"]["fields"]}
        assert fields == {
            "flag": "text", "Image!": "image", "Sound": "text", HOSTILE: "text", "n": "text",
        }  # fmt: skip
        first, second = read["records"]
        assert (first["id"], second["id"]) == (full.id, bare.id)
        assert Path(tmp_path / "out" / first["fields"].pop("inputs_sound")).read_bytes() == sound()
        assert first["fields"] == {
            "flag": "digits, wrong, look",
            "inputs_image": f"data:image/png;base64,{base64.b64encode(picture()).decode()}",
            "inputs_script_x_y": HOSTILE,
            "inputs_n": "0.5",
        }
        assert second["fields"] == {"flag": "digits, wrong"}
        assert [choices(question) for question in read["settings"]["questions"]] == [
            ("digit", ["1", "3", "5", "8"]), ("why", None),
        ]  # fmt: skip
        assert suggested(first) == {"outputs_digit": "5", "outputs_why": HOSTILE}
        assert suggested(second) == {"outputs_digit": "1"}
        assert {str(record["metadata"]) for record in (first, second)} == {
            str({"app": "digits", "option": "wrong", "verdict": "open"})
        }

    def test_what_its_server_would_refuse(self, tmp_path):
        """
        A single label, an empty or a long one, long names and pictures that no browser shows are
        no reason to refuse the rest: the question is for text, the picture's place is told.
        """
        store = open_store(tmp_path / "flags.db")
        large = picture() + bytes(4_000_000)
        images = {"scan": put(store, large, "large.png", "image/png")}
        images["old"] = put(store, b"II*", "old.tiff", "image/tiff")
        outputs = {"one": label("a"), "long": label("b", "c" * 201), "none": label("d", "")}
        store.append([make_flag(inputs=images | {"x" * 600: text("y")}, outputs=outputs)])
        store.append([make_flag(inputs={"": text("z")}, outputs={"q" * 600: label("e", "f")})])
        export(store, tmp_path / "out", format="argilla")

        read = self.read(tmp_path / "out")

        first, second = read["records"]
        told, *places = first["fields"]["flag"].split("\n")
        assert told == "digits, wrong"
        names, paths = zip(*(place.split(": ") for place in places), strict=True)
        assert names == ("scan", "old")
        assert [(tmp_path / "out" / path).read_bytes() for path in paths] == [large, b"II*"]
        assert [*first["fields"].values()][1:] == ["y"]
        assert [*second["fields"].values()] == ["digits, wrong", "z"]
        assert [choices(question) for question in read["settings"]["questions"]] == [
            ("one", None), ("long", None), ("none", None), ("q" * 499 + "…", ["e", "f"]),
        ]  # fmt: skip
        assert [*suggested(first).values(), *suggested(second).values()] == ["a", "b", "d", "e"]


def choices(question: dict[str, Any]) -> tuple[str, list[str] | None]:
    """The title of *question*, and the answers to choose from, if it has them."""
    options = question["settings"].get("options")
    return question["title"], options and [option["value"] for option in options]


def suggested(record: dict[str, Any]) -> dict[str, str]:
    return {name: told["value"] for name, told in record["suggestions"].items()}


class TestLabelStudio:
    """What its server tells of a project that was made of an export."""

    def test_every_value_is_there(self, tmp_path):
        """
        A task for each flag: what went in, the prediction, the correction, and the files' bytes.
        """
        store, full, bare = flagged(tmp_path)
        out = tmp_path / "out"
        export(store, out, format="label-studio")
        (tmp_path / "server").mkdir()
        settings = {"LOCAL_FILES_SERVING_ENABLED": "true", "LOCAL_FILES_DOCUMENT_ROOT": str(out)}
        command = ANNOTATORS / "label-studio" / "bin" / "label-studio"

        with LabelStudio.running(command, tmp_path / "server", **settings) as server:
            project = server.import_export(out)
            server.add_storage(project, out / "files")
            first, second = server.tasks(project)
            files = [server.get(first["data"].pop(f"inputs_{name}")) for name in ("image", "sound")]

        assert json.loads(run("label-studio", "label_studio_says.py", out)) == []
        assert files == [picture(), sound()]
        assert first["data"] == fixed(full) | {
            "flag_comment": "look",
            "inputs_script_x_y": HOSTILE,
            "inputs_n": "0.5",
        }
        names = ("image", "sound", "script_x_y", "n")
        assert second["data"] == fixed(bare) | {f"inputs_{name}": "" for name in names}
        digit = {"from_name": "outputs_digit", "to_name": "inputs_image", "type": "choices"}
        why = {"from_name": "outputs_why", "to_name": "inputs_image", "type": "textarea"}
        assert results(first, "predictions") == [
            [digit | {"value": {"choices": ["3"]}}, why | {"value": {"text": [HOSTILE]}}]
        ]
        assert results(first, "annotations") == [[digit | {"value": {"choices": ["5"]}}]]
        assert results(second, "predictions") == [[digit | {"value": {"choices": ["1"]}}]]
        assert results(second, "annotations") == []

    def test_labels_that_its_configuration_cannot_spell(self, tmp_path):
        """
        Of a label that XML would alter, the question is for text; nothing is wrong with the rest.
        """
        store = open_store("memory:")
        store.append([make_flag(outputs={"odd": label("a\u202e", "b"), "even": label("c", " d&")})])
        export(store, tmp_path / "out", format="label-studio")

        assert json.loads(run("label-studio", "label_studio_says.py", tmp_path / "out")) == []


def fixed(flag: Flag) -> dict[str, Any]:
    """What a task says of *flag* itself."""
    return {
        "flag_id": flag.id, "flag_created_at": flag.created_at.isoformat(),
        "flag_app": "digits", "flag_option": "wrong", "flag_verdict": "open",
        "flag_fingerprint": flag.fingerprint,
    }  # fmt: skip


def results(task: dict[str, Any], kind: str) -> list[Any]:
    return [answers["result"] for answers in task[kind]]
