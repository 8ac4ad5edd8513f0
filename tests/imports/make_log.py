"""
Flag with the installed Gradio's own loggers, as demos have since 3.50: `make_log.py FOLDER`.

Runs in the environment of that Gradio, where Flagstone is not. Beside the logs it leaves
`flagged.json`: what was flagged, a row a flag.
"""

import json
import sys
import warnings
import wave
from pathlib import Path

import gradio as gr
from PIL import Image

FOLDER = Path(sys.argv[1])
GRADIO = int(gr.__version__.split(".")[0])

TEXTS = ["hello", "=1+1", "1e5", "", "a,-b\r\nc", '{"a": 1}', "日本語 🎉", "true"]


def posted(path: Path) -> dict:
    """The file *path* as the page of Gradio 4 and later posts it."""
    return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def data_url(path: Path, kind: str) -> str:
    import base64

    return f"data:{kind};base64," + base64.b64encode(path.read_bytes()).decode()


def make_files(folder: Path) -> dict[str, Path]:
    folder.mkdir(parents=True)
    Image.new("RGB", (4, 4), "red").save(folder / "scan.png")
    with wave.open(str(folder / "voice.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(range(200)) * 20)
    (folder / "notes.txt").write_bytes(b"line\r\nline")
    return {path.name: path for path in folder.iterdir()}


def columns(files: dict[str, Path]) -> dict[str, tuple]:
    """For each label its component, and what one press of the button posts."""
    label = {"label": "dog", "confidences": [{"label": "dog", "confidence": 0.7}]}
    table = {"headers": ["x", "y"], "data": [[1, "a"], [2, "=b"]]}
    if GRADIO == 3:
        image = data_url(files["scan.png"], "image/png")
        audio = {"name": "voice.wav", "data": data_url(files["voice.wav"], "audio/wav")}
        file = {"name": "notes.txt", "data": data_url(files["notes.txt"], "text/plain")}
    else:
        image, audio, file = (posted(files[n]) for n in ("scan.png", "voice.wav", "notes.txt"))
    return {
        "number": (gr.Number(label="number"), -0.5),
        "slider": (gr.Slider(label="slider"), 7),
        "checkbox": (gr.Checkbox(label="checkbox"), False),
        "choices": (gr.CheckboxGroup(["a", "b"], label="choices"), ["a", "b"]),
        "dropdown": (gr.Dropdown(["a", "b"], label="dropdown"), "a"),
        "image": (gr.Image(label="image"), image),
        "no image": (gr.Image(label="no image"), None),
        "audio": (gr.Audio(label="audio"), audio),
        "file": (gr.File(label="file"), file),
        "label": (gr.Label(label="label"), label),
        "table": (gr.Dataframe(label="table"), table),
        "json": (gr.JSON(label="json"), {"a": [1, None, "- x"]}),
    }


def flag_fields(files: dict[str, Path], logger, folder: Path) -> list:
    rows = []
    made = columns(files)
    components = [gr.Textbox(label="text"), *(component for component, _ in made.values())]
    logger.setup(components, str(folder))
    for text in TEXTS:
        values = [text, *(value for _, value in made.values())]
        logger.flag(values, flag_option="wrong", username="ana")
        rows.append(dict(zip(["text", *made], values, strict=True)))
    return rows


def flag_texts(logger, folder: Path, labels: list[str], rows: list[list]) -> list:
    logger.setup([gr.Textbox(label=label) for label in labels], str(folder))
    for row in rows:
        logger.flag(row)
    return [dict(zip(labels, row, strict=True)) for row in rows]


def flag_chat(folder: Path) -> list:
    from gradio.flagging import ChatCSVLogger

    logger = ChatCSVLogger()
    logger.setup(str(folder))
    talk = [
        {"role": "user", "content": "- hi"},
        {"role": "assistant", "content": "=yo"},
        {"role": "user", "content": "bye"},
        {"role": "assistant", "content": "1e5"},
    ]
    rows = []
    for index, liked, said in ((1, True, "Like"), (3, False, "Dislike"), (3, "Spam", "Spam")):
        data = gr.LikeData(None, {"index": index, "value": talk[index]["content"], "liked": liked})
        logger.flag(data, talk)
        rows.append({"index": index, "value": said, "conversation": talk})
    return rows


def flag_to_hub(files: dict[str, Path], folder: Path, *, separate_dirs: bool) -> list:
    """As the saver of Gradio 4 leaves it; the Hub itself is not asked, the folder is the same."""
    from gradio import flagging

    hub = flagging.huggingface_hub
    hub.create_repo = lambda **_: type("Repo", (), {"repo_id": "ana/mistakes"})
    hub.metadata_update = hub.upload_file = hub.upload_folder = lambda **_: None

    class NothingThere(hub.utils.EntryNotFoundError):
        def __init__(self) -> None:
            Exception.__init__(self, "none")

    def download(**_):
        raise NothingThere

    hub.hf_hub_download = download
    saver = gr.HuggingFaceDatasetSaver("hf_x", "ana/mistakes", separate_dirs=separate_dirs)
    made = columns(files)
    components = {name: made[name][0] for name in ("image", "label", "number")}
    components["text"] = gr.Textbox(label="text")
    saver.setup(list(components.values()), str(folder))
    rows = []
    for text in TEXTS:
        values = [*(made[name][1] for name in ("image", "label", "number")), text]
        saver.flag(values, "wrong", "ana")
        rows.append(dict(zip(components, values, strict=True)))
    return rows


def main() -> None:
    warnings.simplefilter("ignore")
    files = make_files(FOLDER / "uploads")
    flagged = {"fields": flag_fields(files, gr.CSVLogger(), FOLDER / "fields")}
    flagged["simple"] = flag_texts(
        gr.SimpleCSVLogger(), FOLDER / "simple", ["q", "a"], [["1", "- x"], ["2", "y"]]
    )
    flagged["changed"] = [
        *flag_texts(gr.CSVLogger(), FOLDER / "changed", ["q"], [["one"], ["two"]]),
        *flag_texts(gr.CSVLogger(), FOLDER / "changed", ["q", "r"], [["three", "more"]]),
    ]
    if GRADIO >= 5:
        flagged["chat"] = flag_chat(FOLDER / "chat")
    if GRADIO == 4:
        flagged["hub_csv"] = flag_to_hub(files, FOLDER / "hub_csv", separate_dirs=False)
        flagged["hub_jsonl"] = flag_to_hub(files, FOLDER / "hub_jsonl", separate_dirs=True)
    (FOLDER / "flagged.json").write_text(json.dumps(flagged))


main()
