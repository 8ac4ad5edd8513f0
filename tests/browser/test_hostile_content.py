"""
What was flagged is hostile in every field, and nothing of it runs in the review page.
"""

import io
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from flagstone import FileRef, Flag, Outcome, Review, Value
from flagstone.review import create_app
from flagstone.stores.memory import MemoryStore

pytestmark = pytest.mark.browser

ATTACKS = [
    "<script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "\"><svg onload='window.ran = 1'>",
    "' onfocus='window.ran = 1' autofocus x='",
    "</textarea></title><script>window.ran = 1</script>",
    "<iframe srcdoc='<script>parent.ran = 1</script>'></iframe>",
    "<style>* { background: url(https://evil.example/css) }</style>",
    "<link rel=stylesheet href=https://evil.example/style.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/>",
    "[link](javascript:window.ran=1) <a href='javascript:window.ran=1'>link</a>",
    "![picture](https://evil.example/picture.png)",
    "[x]: javascript:window.ran=1\n\n[x]",
    "{{ 7 * 7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "${window.ran = 1} `window.ran = 1`",
    '=HYPERLINK("https://evil.example")',
    "javascript:window.ran=1",
    "data:text/html,<script>window.ran = 1</script>",
    "\u202egnp.exe",
    "-->]]><script>window.ran = 1</script>",
]
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.ran=1;top.ran=1">'
    b'<script>window.ran=1;top.ran=1</script><image href="https://evil.example/in.svg"/></svg>'
)
HTML = b"<!doctype html><script>window.ran=1;document.title='ran'</script>"


TOGETHER = "\n".join(
    text for text in ATTACKS if not text.startswith(("javascript:", "data:", "=", "\u202e"))
)
"""All that need not stand at the beginning of a text."""

SHOWN = [TOGETHER, *(text for text in ATTACKS if text not in TOGETHER)]


class Watch:
    """Everything by which a page would show that it ran what it should show."""

    def __init__(self, page: Page, own: str) -> None:
        self.seen: list[str] = []
        page.on("dialog", lambda dialog: (self.seen.append("dialog"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))
        page.on("console", lambda said: self._hear(said.text))
        page.on("request", lambda request: self._ask(request.url, own))
        page.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " (event) => console.log('policy: ' + event.violatedDirective))"
        )
        self._page = page

    def _hear(self, said: str) -> None:
        if said.startswith("policy"):
            self.seen.append(said)

    def _ask(self, url: str, own: str) -> None:
        if not url.startswith((own, "data:image/", "about:")):
            self.seen.append(f"request: {url}")

    def told(self) -> list[str]:
        """What was seen; that a script of a flag set `ran` included."""
        self._page.wait_for_timeout(300)  # for what would run late
        ran = self._page.evaluate("window.ran")
        return [*self.seen, *(["ran"] if ran else [])]


def hostile_flag(store: MemoryStore, attack: str) -> Flag:
    """A flag that has *attack* wherever it can have text."""
    files = [
        store.files.put(io.BytesIO(content), name=f"{attack}{suffix}", mime_type=kind)
        for content, suffix, kind in (
            (SVG, ".svg", "image/svg+xml"),
            (HTML, ".html", "text/html"),
            (HTML, ".png", "image/png"),
            (HTML, "", "text/html; charset=utf-8"),
        )
    ]
    component = {"class": attack, "arguments": {"choices": [attack, (attack, attack)],
                                                "language": attack}}  # fmt: skip
    kinds: dict[str, object] = {
        "text": attack, "markdown": attack, "html": attack, "code": attack, "color": attack,
        "choice": attack, "choices": [attack], "datetime": attack, attack: attack,
        "label": {"label": attack, "confidences": [{"label": attack, "confidence": 0.5}]},
        "json": {attack: [attack, {attack: attack}]},
        "table": {"headers": [attack], "data": [[attack]], "metadata": {"styling": [[attack]]}},
        "chat": [{"role": attack, "content": attack, "metadata": {"title": attack}},
                 {"role": "user", "content": [{"type": "file", "file": files[0]}, attack]}],
        "highlighted_text": [{"token": attack, "class_or_confidence": attack}],
        "annotated_image": {"image": files[0],
                            "annotations": [{"image": files[0], "label": attack}]},
        "gallery": [{"image": files[0], "caption": attack}, {"video": files[1], "caption": attack}],
        "image_editor": {"background": files[2], "layers": [files[0]], "composite": files[0],
                         "id": attack},
        "image_pair": (files[0], files[2]),
        "image": files[2], "file": files, "model3d": files[3], "video": files[0], "audio": files[1],
        "plot": {"columns": [attack, attack], "data": [[attack, 1]], "mark": attack},
        "multimodal": {"text": attack, "files": files},
        "state": {"url": f"data:image/svg+xml,{attack}"},
    }  # fmt: skip
    values = {
        f"{attack}{n}": Value(kind=kind, data=data, component=component)
        for n, (kind, data) in enumerate(kinds.items())
    }
    inline = {"inline": Value(kind="image", data={"url": f"data:image/svg+xml,{SVG.decode()}"})}
    flag = Flag(
        id="".join(char for char in attack if " " <= char <= "~"), app=attack, option=attack,
        comment=attack, user=attack, session=attack, context={attack: {attack: attack}},
        inputs={**values, **inline}, outputs=values, correction=values, fingerprint=ascii(attack),
    )  # fmt: skip
    review = Review(flag_id=flag.id, by=attack, tags=(attack,), note=attack, assignee=attack,
                    verdict="fixed")  # fmt: skip
    outcome = Outcome(flag_id=flag.id, run_id="r", model=attack, status="fixed", outputs=values)
    store.append([flag, review, outcome])
    return flag


@pytest.fixture(scope="module")
def attacked() -> MemoryStore:
    store = MemoryStore()
    for attack in SHOWN:
        hostile_flag(store, attack)
    return store


def test_the_watch_would_see_it(page: Page) -> None:
    """
    On a page that shows these texts as they are, the watch sees that they run.
    """
    for attack in (*ATTACKS[:3], *ATTACKS[4:8]):
        watch = Watch(page, "http://127.0.0.1")
        page.goto("about:blank")
        page.set_content(
            f"<title></title><textarea></textarea><div title='{attack}'>{attack}</div>"
        )
        assert watch.told() != [], attack


def test_nothing_runs_in_the_list_and_the_dashboard(
    page: Page, serve: Callable[..., str], attacked: MemoryStore
) -> None:
    """
    The list, its filters and the dashboard show all of it as text, and ask nobody else.
    """
    url = serve(create_app(attacked))
    watch = Watch(page, url)

    for path in ("/", "/dashboard", "/?q=%3Cscript%3Ewindow.ran=1%3C/script%3E", "/rows"):
        page.goto(url + path)
        assert watch.told() == []
    page.goto(url)
    expect(page.locator(".row")).to_have_count(len(SHOWN))
    assert page.get_by_text("\\u202egnp.exe").count() > 0  # spelled out, not turned round


@pytest.mark.parametrize("number", range(len(SHOWN)), ids=lambda n: SHOWN[n][:24])
def test_nothing_runs_in_a_flag(
    page: Page, serve: Callable[..., str], attacked: MemoryStore, number: int
) -> None:
    """
    A flag with an attack in every field is shown, edited and zoomed, and nothing of it runs.
    """
    url = serve(create_app(attacked))
    flag = list(attacked.scan())[3 * number]
    watch = Watch(page, url)
    page.goto(url)
    page.locator(f".row[data-flag={quoted(flag.id)}] a.open").focus()
    page.keyboard.press("Enter")
    expect(page.locator("html[data-ready=flag]")).to_be_attached()

    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    for _ in range(page.locator(".editor").count()):
        page.keyboard.press("e")
        page.keyboard.press("Escape")
    page.evaluate("for (const each of document.querySelectorAll('.editor')) each.hidden = false")
    page.evaluate("for (const each of document.querySelectorAll('[data-draw]')) each.click()")
    captions = page.locator(".editor [data-caption]")
    held = captions.evaluate_all("(fields) => fields.map((field) => field.value)")
    assert held == [flag.option] * 3  # to the character
    page.evaluate("for (const each of document.querySelectorAll('.editor')) each.hidden = true")
    page.keyboard.press("z")
    page.keyboard.press("Escape")

    assert watch.told() == []
    assert page.evaluate("document.querySelectorAll('iframe, object, embed, style').length") == 0
    links = page.evaluate("[...document.links].map((link) => link.getAttribute('href'))")
    assert [link for link in links if not link.startswith(("/", "#", "https://"))] == []


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize(("content", "name"), [(SVG, "a.svg"), (HTML, "a.html"), (HTML, "a.png")])
def test_a_file_opened_by_itself_does_not_run(
    page: Page, serve: Callable[..., str], content: bytes, name: str
) -> None:
    """
    The address of a hostile file is a download, and in a frame or an object it does nothing.
    """
    store = MemoryStore()
    ref: FileRef = store.files.put(io.BytesIO(content), name=name)
    flag = Flag(outputs={"f": Value(kind="file", data=ref)})
    store.append([flag])
    url = serve(create_app(store))
    page.goto(url)

    with page.expect_download() as download:
        page.evaluate(f"location.href = '/file?flag={flag.id}&sha256={ref.sha256}'")

    assert download.value.suggested_filename == name
    assert page.url == f"{url}/"
    assert page.evaluate("window.ran") is None
