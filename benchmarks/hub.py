"""
Measure flags saved to the Hub, compared to the saver of Gradio 4.44.1.

    python -m benchmarks.hub [--old .venv/gradio-4.44.1/bin/python]

Both flag distinct images and texts to the local Hub server of our tests. The old saver runs in its
own environment, which `make compat` creates. It uploads its whole table with each flag, so it is
stopped after three minutes; the output shows how many flags it saved.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

RUNS = ((1000, 0.0), (10_000, 0.0), (1000, 0.02))
"""Number of flags, and seconds between them."""
PICTURE = 20_000
"""Bytes of an image; a text has about 20."""

EVERY = 5.0
"""Seconds between our commits."""

PATIENCE = 180.0
"""Seconds after which Gradio's saver is stopped."""


def worker(which: str, count: int, pause: float, folder: Path) -> None:
    """In its own process: flag *count* times, and print the results."""
    gr: Any = import_module("gradio" if which == "gradio" else "flagstone.gradio")
    if which == "gradio":  # its client validates cards only on the real Hub
        import_module("huggingface_hub").RepoCard.validate = lambda *_, **__: None
    if which == "local":
        saver = gr.FlagLogger()
    else:
        options = {"every": EVERY} if which == "ours" else {}
        saver = gr.HuggingFaceDatasetSaver("hf_ana", f"ana/{which}", **options)
    saver.setup([gr.Image(label="image"), gr.Textbox(label="text")], str(folder / "flags"))
    picture = Path(os.environ["GRADIO_TEMP_DIR"]) / "picture.png"
    taken: list[float] = []
    payload = 0
    begin = time.perf_counter()
    while len(taken) < count and time.perf_counter() - begin < PATIENCE:
        # A new file, like an upload: the earlier flag hard-linked the old one.
        picture.unlink(missing_ok=True)
        picture.write_bytes(os.urandom(PICTURE))
        text = f"flag number {len(taken)}"
        payload += PICTURE + len(text)
        file = {"path": str(picture), "orig_name": "p.png", "meta": {"_type": "gradio.FileData"}}
        start = time.perf_counter()
        saver.flag([file, text])
        taken.append(time.perf_counter() - start)
        time.sleep(pause)
    if which == "ours" and not saver.flush():
        raise RuntimeError("not all flags are on the Hub")
    seconds = time.perf_counter() - begin
    median = statistics.median(taken) * 1000
    facts = {"flags": len(taken), "payload": payload, "seconds": seconds, "flag_ms": median}
    sys.stdout.write(json.dumps(facts) + "\n")


def measure(which: str, python: str, count: int, pause: float) -> dict[str, Any]:
    """Return what a saver and the Hub report."""
    from hub_server import running_hub

    with (
        tempfile.TemporaryDirectory(prefix="flagstone-bench-", dir=".") as name,
        running_hub() as hub,
    ):
        folder = Path(name).absolute()
        hub.add_user("ana", "hf_ana")
        uploads = folder / "uploads"
        uploads.mkdir()
        environ = {
            **os.environ,
            "GRADIO_TEMP_DIR": str(uploads),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        command = [python, "-m", "benchmarks.hub", "--worker", which, str(count), str(pause)]
        done = subprocess.run(
            [*command, str(folder)], env=environ, stdout=subprocess.PIPE, text=True, check=True
        )
        facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        if which != "local":
            facts["commits"] = len(hub.dataset(f"ana/{which}").commits) - 1
            facts["sent"] = hub.received
        return facts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--old", default=".venv/gradio-4.44.1/bin/python")
    parser.add_argument("--worker", nargs=4)
    arguments = parser.parse_args()
    if arguments.worker:
        which, count, pause, folder = arguments.worker
        worker(which, int(count), float(pause), Path(folder))
        return
    print("| | flags | seconds | commits | sent / payload | flag(), ms | of FlagLogger's |")
    print("|---|---|---|---|---|---|---|")
    for count, pause in RUNS:
        local = measure("local", sys.executable, count, pause)["flag_ms"]
        for which, python in (("ours", sys.executable), ("gradio", arguments.old)):
            rate = f", {1 / pause:.0f} a second" if pause else ""
            facts = measure(which, python, count, pause)
            print(
                f"| {which} | {facts['flags']:,} of {count:,}{rate} | {facts['seconds']:.1f} | "
                f"{facts['commits']:,} | {facts['sent'] / facts['payload']:.2f} | "
                f"{facts['flag_ms']:.2f} | {facts['flag_ms'] / local:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
