"""
Measure files: 1,000 flags of one image, compared to Gradio's CSVLogger; a video, compared to cp.

    python -m benchmarks.files

Ours are synced to disk when the call returns; so is the copy by `cp`, which an fsync follows. Peers
are measured in turn, round by round.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.flag_latency import peak_memory

FLAGS = 1000
IMAGE_BYTES = 1_000_000
VIDEO_BYTES = 500_000_000
ROUNDS = 5


def logger_of(which: str, folder: Path) -> Any:
    gr: Any = import_module("gradio" if which == "gradio" else "flagstone.gradio")
    logger = gr.FlagLogger() if which == "ours, SQLite" else gr.CSVLogger(verbose=False)
    logger.setup([gr.File(label="file"), gr.Textbox(label="text")], folder)
    return logger


def payload_of(file: Path) -> dict[str, object]:
    return {"path": str(file), "orig_name": file.name, "meta": {"_type": "gradio.FileData"}}


def measure_image(which: str, file: Path, folder: Path) -> None:
    """In its own process: flag *file* a thousand times and print the seconds."""
    logger = logger_of(which, folder)
    logger.flag([None, "what is loaded on first use"])
    start = time.perf_counter()
    for number in range(FLAGS):
        logger.flag([payload_of(file), f"flag {number}"])
    print(json.dumps(time.perf_counter() - start))


def measure_video(_: str, file: Path, folder: Path) -> None:
    """
    In its own process: copy *file* and flag it, in turn; print both times and the memory.

    Both run in one process, because memory that was idle for a while is slow to reuse: on a virtual
    machine slower than the copy itself.
    """
    copied, kept = [], []
    logger = logger_of("ours, CSV", folder / "flags")
    logger.flag([None, "what is loaded on first use"])
    before = peak_memory()
    for _round in range(ROUNDS):
        copied.append(copy_durably(file, folder / "copy"))
        (folder / "copy").unlink()
        os.sync()
        start = time.perf_counter()
        logger.flag([payload_of(file), "a video"])
        kept.append(time.perf_counter() - start)
        shutil.rmtree(folder / "flags")
    print(json.dumps({"copied": copied, "kept": kept, "grew": peak_memory() - before}))


def run(what: str, which: str, file: Path, folder: Path) -> Any:
    command = [sys.executable, "-m", "benchmarks.files", "--measure", what, which]
    os.sync()
    done = subprocess.run(
        [*command, str(file), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"GRADIO_TEMP_DIR": str(file.parent)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def on_disk(folder: Path) -> int:
    """Return the disk usage of *folder* in bytes; hard links count once."""
    status = {path.stat().st_ino: path.stat() for path in folder.rglob("*") if path.is_file()}
    return sum(each.st_blocks * 512 for each in status.values())


def copy_durably(source: Path, target: Path) -> float:
    os.sync()
    start = time.perf_counter()
    subprocess.run(["cp", source, target], check=True)
    handle = os.open(target, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    return time.perf_counter() - start


def compare_image(folder: Path) -> None:
    image = folder / "uploads" / "scan.png"
    image.parent.mkdir()
    image.write_bytes(os.urandom(IMAGE_BYTES))
    peers = ("ours, CSV", "ours, SQLite", "gradio")
    taken: dict[str, list[float]] = {which: [] for which in peers}
    bytes_of: dict[str, int] = {}
    for _ in range(ROUNDS):
        for which in peers:
            place = folder / "flags"
            taken[which].append(run("image", which, image, place))
            bytes_of[which] = on_disk(place)
            shutil.rmtree(place)
    theirs = statistics.median(taken["gradio"])
    print(f"{FLAGS} flags of one image of {IMAGE_BYTES:,} bytes; medians of {ROUNDS} rounds\n")
    print("| logger | seconds | Gradio / it | bytes on the disk |\n|---|---|---|---|")
    for which in peers:
        ours = statistics.median(taken[which])
        print(f"| {which} | {ours:.2f} | {theirs / ours:.1f} | {bytes_of[which]:,} |")


def compare_video(folder: Path) -> None:
    video = folder / "uploads" / "talk.mp4"
    with video.open("wb") as file:
        for _ in range(VIDEO_BYTES // 1_000_000):
            file.write(os.urandom(1_000_000))
    result = run("video", "ours, CSV", video, folder)
    cp, ours = (statistics.median(result[name]) for name in ("copied", "kept"))
    print(f"\none video of {VIDEO_BYTES:,} bytes; medians of {ROUNDS} rounds\n")
    print("| | seconds | cp / it | memory grew by, MB |\n|---|---|---|---|")
    print(f"| cp, fsync | {cp:.2f} | 1.00 | |")
    print(f"| a flag, ours | {ours:.2f} | {cp / ours:.2f} | {result['grew'] / 1e6:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--measure", nargs=4)
    arguments = parser.parse_args()
    if arguments.measure:
        what, which, file, folder_name = arguments.measure
        measure = {"image": measure_image, "video": measure_video}[what]
        measure(which, Path(file), Path(folder_name))
        return
    with tempfile.TemporaryDirectory(prefix="flagstone-bench-", dir=".") as name:
        folder = Path(name).absolute()
        compare_image(folder)
        compare_video(folder)


if __name__ == "__main__":
    main()
