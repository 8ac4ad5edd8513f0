"""
Payloads at the edge: what the demo holds for the page, and values that come from a hostile store.
"""

import io
from pathlib import Path

import gradio
import gradio.route_utils
import pytest
from custom_components import Knob, Molecule
from gradio.components.image_editor import EditorDataBlobs
from gradio.utils import get_upload_folder
from http_client import post_flag
from PIL import Image

import flagstone.gradio as gr
from flagstone import FileRef, Value, open_store
from flagstone.errors import RejectedFlagError, UnreadableValueError, UntrustedFileError
from flagstone.gradio.payloads.convert import to_payload
from flagstone.gradio.payloads.kinds import _unknown_kind
from flagstone.stores.memory import MemoryStore

GRADIO = int(gradio.__version__.split(".")[0])
FILE_DATA = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}


def flag_one(component, payload, tmp_path) -> Value:
    store = MemoryStore()
    logger = gr.FlagLogger(store)
    logger.setup([component], tmp_path)
    logger.flag([payload])
    (flag,) = store.scan()
    (value,) = (*flag.inputs.values(), *flag.outputs.values())
    return value


class TestDrawings:
    """An ImageEditor's page may send its images ahead, and then name them only."""

    def png(self, color: str) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (3, 3), color).save(file, "PNG")
        return file.getvalue()

    def test_images_sent_ahead_are_kept(self, tmp_path):
        """
        A drawing that the payload names by an id is kept with its images, and shown without it.
        """
        editor = gr.ImageEditor()
        red, blue = self.png("red"), self.png("blue")
        editor.blob_storage["x1"] = EditorDataBlobs(background=None, layers=[red], composite=blue)

        payload = {"background": None, "layers": [], "composite": None, "id": "x1"}
        value = flag_one(editor, payload, tmp_path)

        drawn = value.to_python()
        assert drawn["background"] is None
        assert [layer.getpixel((0, 0)) for layer in drawn["layers"]] == [(255, 0, 0)]
        assert drawn["composite"].getpixel((0, 0)) == (0, 0, 255)
        shown = to_payload(value, gr.ImageEditor())
        assert Path(shown.composite.path).read_bytes() == blue
        assert shown.id is None
        assert "x1" in editor.blob_storage  # the demo has it still

    def test_a_drawing_that_is_gone_is_refused(self, tmp_path):
        """
        An id that the demo does not know, and no files: nothing would be left of the drawing.
        """
        payload = {"background": None, "layers": [], "composite": None, "id": "nobody's"}

        with pytest.raises(UntrustedFileError, match="the demo has no such drawing"):
            flag_one(gr.ImageEditor(), payload, tmp_path)


class TestStreams:
    """While audio streams, the page holds an address and the demo the parts."""

    def demo(self, store: MemoryStore) -> tuple[gr.Interface, int]:
        demo = gr.Interface(
            lambda text: text, "text", gr.Audio(label="said", streaming=True),
            flagging_callback=gr.FlagLogger(store),
        )  # fmt: skip
        return demo, demo.output_components[0]._id

    def stream(self, session: str, output: int) -> dict[str, object]:
        path = f"{get_upload_folder()}/{session}/7/{output}/playlist.m3u8"
        return {**FILE_DATA, "path": path, "is_stream": True, "orig_name": "audio-stream.mp3"}

    def fill(self, demo: gr.Interface, session: str, output: int, *, ended: bool = True) -> None:
        if GRADIO == 4:
            demo.pending_streams[session][7] = {output: [b"ab", b"cd"]}
            return
        stream = gradio.route_utils.MediaStream()
        stream.segments = [{"id": n, "data": n * 2} for n in (b"a", b"b")]
        stream.ended = ended
        demo.pending_streams[session][7] = {output: stream}

    def test_a_stream_is_kept_whole(self, tmp_path, caplog):
        """
        All that was streamed is one file; Gradio 4, which has forgotten it, gets a refusal.
        """
        store = MemoryStore()
        demo, output = self.demo(store)
        self.fill(demo, "session1", output)

        post_flag(demo, ["hi", self.stream("session1", output)])

        if GRADIO == 4:
            assert "the stream has not ended, or the demo does not have it" in caplog.text
            assert list(store.scan()) == []
            return
        (flag,) = store.scan()
        with store.files.open(flag.outputs["said"].data) as file:
            assert file.read() == b"aabb"

    def test_a_stream_that_goes_on_is_refused(self):
        """
        What is not over cannot be kept whole.
        """
        store = MemoryStore()
        demo, output = self.demo(store)
        self.fill(demo, "session1", output, ended=False)

        post_flag(demo, ["hi", self.stream("session1", output)])

        assert list(store.scan()) == []

    @pytest.mark.parametrize("session", ["session2", "nobody", ""])
    def test_somebody_elses_stream_is_refused(self, tmp_path, session):
        """
        A page gets no stream of another session, and no file by calling it one.
        """
        store = MemoryStore()
        demo, output = self.demo(store)
        self.fill(demo, "session2", output)

        post_flag(demo, ["hi", self.stream(session, output)])

        assert list(store.scan()) == []


class TestBackToThePage:
    """A value from a store that somebody else wrote."""

    def test_a_path_in_the_data_is_not_followed(self):
        """
        Only files that the store has reach a component: a planted path is an error.
        """
        planted = [
            (gr.File(), FILE_DATA),
            (gr.File(file_count="multiple"), [FILE_DATA]),
            (gr.MultimodalTextbox(), {"text": "", "files": [FILE_DATA]}),
            (gr.Gallery(), [{"image": FILE_DATA, "caption": None}]),
            (gr.JSON(), {"a": [FILE_DATA]}),
            (gr.File(), {"path": "/etc/passwd"}),
            (gr.Gallery(), [{"image": {**FILE_DATA, "meta": {"_type": "q"}}, "caption": None}]),
            (gr.Chatbot(), [{"role": "user", "content": [{"a": {"path": "/etc/passwd"}}]}]),
        ]
        for component, data in planted:
            with pytest.raises(UnreadableValueError, match="a file that its store lacks"):
                to_payload(Value(kind="file", data=data), component)

    def test_a_path_that_the_page_does_not_mark(self, tmp_path):
        """
        What a page posts as a path without calling it a file is refused, not kept for later.
        """
        unmarked = {"path": "/etc/passwd", "meta": {"_type": "q"}}
        talk = [{"role": "user", "content": {"component": "image", "value": unmarked}}]
        if GRADIO == 6:
            talk[0]["content"] = [{"type": "component", **talk[0]["content"]}]
            talk[0]["content"][0] |= {"constructor_args": {}, "props": {}}
        chatbot = gr.Chatbot() if GRADIO == 6 else gr.Chatbot(type="messages")

        for component, payload in (
            (gr.Gallery(), [{"image": unmarked, "caption": None}]),
            (chatbot, talk),
        ):
            with pytest.raises(RejectedFlagError):
                flag_one(component, payload, tmp_path)

    def test_a_file_that_is_not_there(self):
        """
        A file whose bytes no store has is an error.
        """
        value = Value(kind="file", data=FileRef(sha256="0" * 64, name="a.txt", size=1))

        with pytest.raises(UnreadableValueError, match=r"a\.txt"):
            to_payload(value, gr.File())

    def test_an_update_is_kept_and_never_sent(self, tmp_path):
        """
        What would change a component's looks, or run a script in it, is data: exact, and no value.
        """
        update = {"__type__": "update", "value": "x", "js_on_load": "alert(1)"}

        for component in (gr.Textbox(), gr.HTML(), gr.Image()):
            value = flag_one(component, update, tmp_path)
            assert (value.kind, value.data) == ("json", update)
            assert value.to_python() == update
            assert to_payload(value, component) is None

    def test_data_of_another_component(self):
        """
        What the component does not hold is an error that names it.
        """
        with pytest.raises(UnreadableValueError, match="not what a Label holds"):
            to_payload(Value(kind="text", data="x"), gr.Label())


def test_a_new_component_says_so_once(tmp_path, caplog):
    """
    A component that nobody knows is kept as JSON; the log says it the first time only.
    """
    _unknown_kind.cache_clear()

    for _ in range(3):
        assert flag_one(Knob(), {"angle": [1]}, tmp_path).kind == "json"
    assert flag_one(Molecule(), None, tmp_path).kind == "file"

    assert caplog.text.count("is new to Flagstone") == 1
    assert "Knob" in caplog.text


@pytest.mark.parametrize("name", ["a\x00\x1b[31m\n.txt", "x" * 300 + ".txt", "../a.txt", ".", ""])
@pytest.mark.parametrize("logger", ["csv", "flags.db"])
def test_names_that_no_file_system_takes(gradio_cache, tmp_path, logger, name):
    """
    Whatever a file is called, two of one name are kept and shown back under it, side by side.
    """
    payloads = []
    for number in (1, 2):
        path = gradio_cache / str(number) / "upload"
        path.parent.mkdir()
        path.write_text(str(number))
        payloads.append({**FILE_DATA, "path": str(path), "orig_name": name})
    callback = gr.CSVLogger() if logger == "csv" else gr.FlagLogger()
    callback.setup([gr.File(label="f", file_count="multiple")], tmp_path)

    callback.flag([payloads])

    with open_store(tmp_path) as store:
        (flag,) = store.scan()
        shown = to_payload(flag.inputs["f"], gr.File(file_count="multiple")).model_dump()
        assert [part["orig_name"] or "upload" for part in shown] == [name or "upload"] * 2
        assert [Path(part["path"]).read_text() for part in shown] == ["1", "2"]
        assert [path.read_text() for path in flag.inputs["f"].to_python()] == ["1", "2"]
    assert all(path.is_relative_to(tmp_path) for path in tmp_path.rglob("*"))
