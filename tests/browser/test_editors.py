"""
The review page's editors of files, drawings and marked text in Chromium, by keyboard and mouse.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from flagstone import FileRef, Flag, Value
from flagstone.review import create_app
from flagstone.stores.memory import MemoryStore

pytestmark = pytest.mark.browser

RED, BLUE, CLEAR = (255, 0, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


class Desk:
    """A flag with outputs in the browser, and what was made of them."""

    def __init__(self, page: Page, serve: Callable[..., str], folder: Path) -> None:
        self.page = page
        self.store = MemoryStore()
        self._serve = serve
        self._folder = folder
        self.flag: Flag

    def picture(self, name: str, color: Any = RED, size: tuple[int, int] = (400, 300)) -> FileRef:
        """A file of the store, and one in the folder."""
        path = self._folder / name
        Image.new("RGBA", size, color).save(path, "PNG")
        return self.store.files.put(io.BytesIO(path.read_bytes()), name=name)

    def open(self, kind: str, data: Any) -> Locator:
        """The editor of an output like that, opened by its key."""
        self.flag = Flag(outputs={"o": Value(kind=kind, data=data)})
        self.store.append([self.flag])
        self.page.goto(f"{self._serve(create_app(self.store))}/flag?id={self.flag.id}")
        expect(self.page.locator("html[data-ready]")).to_be_attached()
        self.page.keyboard.press("e")
        return self.page.locator(".editor:visible")

    def press(self, name: str, key: str = "Enter", nth: int = 0) -> None:
        """Press *key* on the button *name*."""
        button = self.page.locator(".editor:visible").get_by_role("button", name=name).nth(nth)
        button.focus()
        self.page.keyboard.press(key)

    def choose(self, name: str, *files: str) -> None:
        """Choose *files* of the folder in the window that the button *name* opens."""
        with self.page.expect_file_chooser() as chooser:
            self.press(name)
        chooser.value.set_files([self._folder / file for file in files])

    def save(self) -> Any:
        """The data of the correction, once it is saved by its keys."""
        with self.page.expect_navigation():
            self.page.keyboard.press("Control+Enter")
        expect(self.page.locator("html[data-ready]")).to_be_attached()
        return self.store.state(self.flag.id).correction["o"].data

    def pixel(self, ref: FileRef, place: tuple[int, int]) -> Any:
        """The colour of a pixel of a file in the store."""
        with self.store.files.open(ref) as file, Image.open(file) as image:
            return image.convert("RGBA").getpixel(place)


@pytest.fixture
def desk(page: Page, serve: Callable[..., str], tmp_path: Path) -> Desk:
    return Desk(page, serve, tmp_path)


def test_a_gallery(desk: Desk) -> None:
    """
    Pictures are added, captioned, moved and removed by keys; what is chosen has a thumbnail.
    """
    first, second, third = (desk.picture(f"{name}.png") for name in "abc")
    desk.picture("new.png", BLUE)
    editor = desk.open("gallery", [
        {"image": first, "caption": None}, {"image": second, "caption": " b"},
        {"image": third, "caption": "c"},
    ])  # fmt: skip

    desk.page.keyboard.type("first")  # where the key has led
    desk.press("Move down: a.png")
    expect(editor.get_by_role("button", name="Move down: a.png")).to_be_focused()
    desk.press("Move up: b.png")  # it is the first already
    desk.press("Remove c.png", "Space")
    desk.choose("Add files", "new.png", "c.png")
    expect(editor.locator(".thumb canvas")).to_have_count(2)
    editor.get_by_label("caption of new.png").fill('"new"')
    desk.press("Move up: new.png")

    data = desk.save()
    assert data[:1] == [{"image": second, "caption": " b"}]
    assert [(item["image"].name, item["caption"]) for item in data] == [
        ("b.png", " b"), ("new.png", '"new"'), ("a.png", "first"), ("c.png", None),
    ]  # fmt: skip
    assert desk.pixel(data[1]["image"], (0, 0)) == BLUE


def test_an_annotated_image_and_its_labels(desk: Desk) -> None:
    """
    The picture is replaced, a mask is renamed and one is added.
    """
    ref, mask = desk.picture("scan.png"), desk.picture("mask.png")
    editor = desk.open(
        "annotated_image", {"image": ref, "annotations": [{"image": mask, "label": "nodule"}]}
    )

    desk.choose("Replace image", "mask.png")
    editor.get_by_label("label of mask.png").fill("cyst")
    desk.choose("Add files", "scan.png")
    editor.get_by_label("label of scan.png").fill("rib")

    data = desk.save()
    assert data["image"].name == "mask.png"
    assert data["annotations"][0] == {"image": mask, "label": "cyst"}
    assert [each["label"] for each in data["annotations"]] == ["cyst", "rib"]


def test_a_pair_has_two_places(desk: Desk) -> None:
    """
    One picture of a pair goes, the other comes.
    """
    desk.picture("right.png")
    editor = desk.open("image_pair", (desk.picture("left.png"), None))
    expect(editor.get_by_role("button", name="Add")).to_have_count(0)

    desk.choose("Choose second", "right.png")
    desk.press("Remove left.png")

    first, second = desk.save()
    assert (first, second.name) == (None, "right.png")


def test_a_message_with_files(desk: Desk) -> None:
    """
    The text and the files of a message are changed in one go.
    """
    notes = desk.store.files.put(io.BytesIO(b"x"), name="notes.txt")
    desk.picture("new.png")
    editor = desk.open("multimodal", {"text": "hi", "files": [notes]})

    expect(editor.locator("textarea")).to_be_focused()
    editor.locator("textarea").fill("bye\n")
    desk.choose("Add files", "new.png")
    desk.press("Move up: new.png")

    data = desk.save()
    assert data["text"] == "bye\n"
    assert [ref.name for ref in data["files"]] == ["new.png", "notes.txt"]


def test_several_files(desk: Desk) -> None:
    """
    A list of files loses one; the focus is on the next, and a key pressed there decides nothing.
    """
    refs = [desk.store.files.put(io.BytesIO(b"x"), name=name) for name in ("a.txt", "b.txt")]
    editor = desk.open("file", refs)

    desk.press("Remove a.txt")
    expect(editor.get_by_role("button", name="Remove b.txt")).to_be_focused()
    desk.page.keyboard.press("r")

    assert desk.save() == refs[1:]
    assert desk.store.state(desk.flag.id).verdict == "open"


def test_marked_text(desk: Desk) -> None:
    """
    A token is split in two with a class for one; another's number stays one.
    """
    editor = desk.open("highlighted_text", [
        {"token": "The duck\n", "class_or_confidence": None},
        {"token": "swims", "class_or_confidence": 0.5},
    ])  # fmt: skip

    editor.locator("td textarea").fill("The ")
    desk.press("Add a row below this")
    desk.page.keyboard.type("duck")
    desk.page.keyboard.press("Tab")
    desk.page.keyboard.type("0.9")

    assert desk.save() == [
        {"token": "The ", "class_or_confidence": None},
        {"token": "duck", "class_or_confidence": 0.9},
        {"token": "swims", "class_or_confidence": 0.5},
    ]


def drag(page: Page, canvas: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw from *start* to *end*, in parts of the canvas's size."""
    canvas.scroll_into_view_if_needed()
    canvas.evaluate("(each) => each.scrollIntoView({ block: 'center' })")
    box = canvas.bounding_box()
    assert box is not None
    (x, y), (to_x, to_y) = (
        (box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"]) for at in (start, end)
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to_x, to_y, steps=5)
    page.mouse.up()


def test_a_drawing(desk: Desk) -> None:
    """
    Strokes by mouse and by keys are a layer over the background; the eraser takes away what was
    drawn before, undo the last stroke.
    """
    background, layer = desk.picture("b.png"), desk.picture("l.png", BLUE)
    before = {"background": background, "layers": [layer], "composite": layer, "id": None}
    editor = desk.open("image_editor", before)
    canvas = editor.locator("canvas").nth(1)
    expect(canvas).to_be_visible()

    desk.press("Eraser", "Space")
    expect(editor.get_by_role("button", name="Eraser")).to_have_attribute("aria-pressed", "true")
    drag(desk.page, canvas, (0.1, 0.5), (0.9, 0.5))  # takes away some of the blue
    desk.press("Pen")
    editor.get_by_label("Colour").fill("#00ff00")
    drag(desk.page, canvas, (0.1, 0.9), (0.9, 0.9))
    drag(desk.page, canvas, (0.1, 0.1), (0.9, 0.1))
    desk.press("Undo stroke")
    canvas.focus()
    for key in ("Shift+ArrowDown", "Space", "ArrowRight", "Space", "Shift+ArrowDown"):
        desk.page.keyboard.press(key)

    data = desk.save()
    (new,) = data["layers"]
    assert data == before | {"layers": [new], "composite": data["composite"]}
    assert (new.name, data["composite"].name) == ("layer.png", "composite.png")
    assert desk.pixel(new, (200, 150)) == CLEAR
    assert desk.pixel(data["composite"], (200, 150)) == RED
    green = (0, 255, 0, 255)
    by_key = (364, 70)  # from where the last stroke ended
    assert [desk.pixel(new, at) for at in ((200, 270), by_key, (200, 30))] == [green, green, BLUE]
    assert desk.pixel(data["composite"], (200, 210)) == BLUE
    with desk.store.files.open(new) as file, Image.open(file) as image:
        assert image.size == (400, 300)


def test_a_drawing_is_cleared_and_its_background_replaced(desk: Desk) -> None:
    """
    Clear leaves the background alone; a file in its place is the whole picture until one draws.
    """
    background, layer = desk.picture("b.png"), desk.picture("l.png", BLUE)
    desk.picture("other.png", BLUE, (200, 200))
    before = {"background": background, "layers": [layer], "composite": layer, "id": None}
    editor = desk.open("image_editor", before)
    expect(editor.locator("canvas").nth(1)).to_be_visible()
    desk.press("Clear")
    data = desk.save()
    assert desk.pixel(data["layers"][0], (200, 150)) == CLEAR
    assert desk.pixel(data["composite"], (200, 150)) == RED

    desk.page.keyboard.press("e")
    desk.choose("Replace the background", "other.png")
    expect(editor.locator("canvas[tabindex][width='200']")).to_be_visible()
    data = desk.save()
    assert (data["background"].name, data["layers"]) == ("other.png", [])
    assert data["composite"] == data["background"]

    desk.page.keyboard.press("e")
    expect(editor.locator("canvas[tabindex][width='200']")).to_be_visible()
    editor.locator("canvas").nth(1).focus()
    desk.page.keyboard.press("Space")
    data = desk.save()
    assert data["background"].name == "other.png"
    assert desk.pixel(data["layers"][0], (100, 100)) == (224, 32, 32, 255)


def test_an_empty_drawing_is_begun(desk: Desk) -> None:
    """
    Where there is nothing yet, there is a canvas of Gradio's size.
    """
    editor = desk.open("image_editor", None)
    expect(editor.locator("canvas[tabindex][width='800']")).to_be_visible()
    editor.locator("canvas").nth(1).focus()
    desk.page.keyboard.press("Space")

    data = desk.save()
    assert (data["background"], len(data["layers"]), data["id"]) == (None, 1, None)
    assert desk.pixel(data["composite"], (400, 400)) == (224, 32, 32, 255)
    assert desk.pixel(data["composite"], (0, 0)) == CLEAR


def test_a_picture_is_drawn_on(desk: Desk) -> None:
    """
    An image becomes itself with the strokes over it, under its name.
    """
    editor = desk.open("image", desk.picture("scan.v2.png"))
    desk.press("Draw on it")
    canvas = editor.locator("canvas[tabindex]")
    expect(canvas).to_be_focused()
    drag(desk.page, canvas, (0.1, 0.5), (0.9, 0.5))

    data = desk.save()
    assert data.name == "scan.v2.png"
    assert desk.pixel(data, (200, 150)) == (224, 32, 32, 255)
    assert desk.pixel(data, (0, 0)) == RED


def test_a_colour_and_a_moment(desk: Desk) -> None:
    """
    A colour is picked or written, a moment is set, both as they were written before.
    """
    editor = desk.open("color", "#FF00E5")
    editor.get_by_label("Pick the colour").fill("#00ff00")
    assert desk.save() == "#00ff00"
    desk.page.keyboard.press("e")
    editor.locator("[name=entered]").fill("#0000FF")
    expect(editor.get_by_label("Pick the colour")).to_have_value("#0000ff")
    assert desk.save() == "#0000FF"

    editor = desk.open("datetime", "2020-10-01 05:20:15")
    editor.locator("[name=entered]").fill("2021-10-01T05:20:00")
    assert desk.save() == "2021-10-01 05:20:00"


def test_a_file_that_cannot_be_sent_is_told(desk: Desk) -> None:
    """
    Where the server refuses a file the page says so, and nothing is lost that was entered.
    """
    desk.picture("new.png")
    editor = desk.open("gallery", [])
    desk.choose("Add files", "new.png")
    expect(editor.locator(".thumb canvas")).to_be_visible()
    desk.page.keyboard.type("mine")
    desk.page.route("**/upload*", lambda route: route.abort())
    desk.page.keyboard.press("Control+Enter")
    expect(desk.page.locator(".toast")).to_contain_text("The server cannot be reached.")

    desk.page.unroute("**/upload*")
    (item,) = desk.save()
    assert (item["image"].name, item["caption"]) == ("new.png", "mine")


def test_what_no_editor_needs_is_not_loaded(desk: Desk) -> None:
    """
    A flag without files and drawings comes without their scripts.
    """
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    desk.open("text", "a")
    assert not {"files.js", "drawing.js"} & set(asked)
    desk.open("file", None)
    assert "files.js" in asked
    assert "drawing.js" not in asked


@pytest.mark.parametrize("width", [1280, 390])
def test_no_editor_sticks_out(
    browser: Browser, serve: Callable[..., str], tmp_path: Path, width: int
) -> None:
    """
    With long names, captions and tokens no editor is wider than the window.
    """
    page = browser.new_page(viewport={"width": width, "height": 900})
    desk = Desk(page, serve, tmp_path)
    ref = desk.picture("x" * 90 + ".png", size=(900, 300))
    values = {
        "gallery": [{"image": ref, "caption": "long\n" * 50}, {"image": ref, "caption": "y" * 400}],
        "annotated_image": {"image": ref, "annotations": [{"image": ref, "label": "y" * 400}]},
        "image_pair": (ref, None), "file": [ref, ref], "image": ref,
        "multimodal": {"text": "z" * 400, "files": [ref]},
        "highlighted_text": [{"token": "w" * 400, "class_or_confidence": "v" * 400}],
        "image_editor": {"background": ref, "layers": [], "composite": ref, "id": None},
        "color": "#ff00e5", "datetime": "2020-10-01 05:20:15",
    }  # fmt: skip
    flag = Flag(outputs={kind: Value(kind=kind, data=data) for kind, data in values.items()})
    desk.store.append([flag])
    page.goto(f"{serve(create_app(desk.store))}/flag?id={flag.id}")
    expect(page.locator("html[data-ready]")).to_be_attached()
    page.evaluate("for (const each of document.querySelectorAll('.editor')) each.hidden = false")
    buttons = page.get_by_role("button", name="Draw on it")
    for left in reversed(range(buttons.count())):
        buttons.first.click()
        expect(buttons).to_have_count(left)
    expect(page.locator("canvas[tabindex]").first).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    card = "document.querySelector('#correction')"
    assert page.evaluate(f"{card}.scrollWidth <= {card}.clientWidth")
    page.close()
