"""
Measure the capture of predictions: memory for many sessions, time for each prediction.

    python -m benchmarks.capture

Also part of `benchmarks.in_flight`. The peer is a page without capture. Each memory figure is
measured in its own process.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from importlib import import_module
from pathlib import Path
from typing import Any

SESSIONS, PREDICTIONS = 1_000, 50
TEXT, LONG_TEXT = "some words of a model, ", "some words of a model, " * 4_400
PAIRS = 3_000


def make_page(answer: str) -> tuple[Any, Any]:
    """Return a page with one function that returns *answer*, and the function."""
    gr: Any = import_module("gradio")
    with gr.Blocks() as page:
        fields = gr.Textbox(), gr.Textbox()
        gr.Button().click(lambda text: answer + text, *fields)
    return page, page.fns[0]


async def call(page: Any, function: Any, session: str, text: str, state: Any) -> None:
    request = import_module("gradio").Request(session_hash=session)
    await page.process_api(
        block_fn=function, inputs=[text], request=request, session_hash=session, state=state
    )


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def fill_by_calls(answer: str, *, watched: bool) -> dict[str, float]:
    """Predict in all sessions, through Gradio; return the growth of memory."""
    capture_module: Any = import_module("flagstone.gradio.recording.capture")
    session_state: Any = import_module("gradio.state_holder").SessionState
    page, function = make_page(answer)
    if watched:
        capture_module.watch(page)
    for number in range(200):
        await call(page, function, "warm", str(number), session_state(page))
    before = resident()
    for session in range(SESSIONS):
        state = session_state(page)
        for number in range(PREDICTIONS):
            await call(page, function, f"session{session:024}", str(number), state)
    return {"grew": resident() - before}


def fill_directly(answer: str, sessions: int, predictions: int) -> dict[str, float]:
    """Record as `process_api` does, without the calls; return the memory of the capture."""
    capture_module: Any = import_module("flagstone.gradio.recording.capture")
    request: Any = import_module("gradio").Request()
    page, function = make_page(answer)
    capture = capture_module.watch(page)
    gc.collect()
    tracemalloc.start()
    for session in range(sessions):
        for number in range(predictions):
            run = capture.begin(function, [str(number)], request, None)
            run.outputs = [answer + str(number)]
            capture.remember(f"session{session:024}", run)
    del run
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    traces = [trace for runs in capture._sessions.values() for trace in runs]  # noqa: SLF001
    fields = sum(len(trace.inputs) + len(trace.outputs) for trace in traces)
    return {"held": held, "sessions": len(capture._sessions), "fields": fields}  # noqa: SLF001


async def time_calls(answer: str) -> dict[str, float]:
    """Time calls of a page with and without capture, in turn."""
    capture_module: Any = import_module("flagstone.gradio.recording.capture")
    session_state: Any = import_module("gradio.state_holder").SessionState
    pages = {"bare": make_page(answer), "watched": make_page(answer)}
    capture_module.watch(pages["watched"][0])
    states = {name: session_state(page) for name, (page, _) in pages.items()}
    taken: dict[str, list[float]] = {name: [] for name in pages}
    for number in range(PAIRS):
        for name, (page, function) in pages.items():
            start = time.perf_counter()
            await call(page, function, "session", str(number), states[name])
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[PAIRS // 10 :]) for name, times in taken.items()}


def measure_capture(what: str, answer: str) -> None:
    """In its own process, so that memory is separate."""
    answer = {"small": TEXT, "long": LONG_TEXT}[answer]
    result = {
        "calls": lambda: asyncio.run(fill_by_calls(answer, watched=True)),
        "bare": lambda: asyncio.run(fill_by_calls(answer, watched=False)),
        "direct": lambda: fill_directly(answer, SESSIONS, PREDICTIONS),
        "many": lambda: fill_directly(answer, 100 * SESSIONS, 1),
        "time": lambda: asyncio.run(time_calls(answer)),
    }[what]()
    print(json.dumps(result))


def run_capture(what: str, answer: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.capture", "--measure", what, answer]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare_capture() -> None:
    answers = {"small": "some words", "long": "100 kB of text"}
    print(f"## The capture: {SESSIONS:,} sessions of {PREDICTIONS} predictions\n")
    print("| a prediction gives | sessions kept | fields kept | the capture holds, MB "
          "| the process grew by, MB | unwatched, MB |\n|---|---|---|---|---|---|")  # fmt: skip
    for answer, name in answers.items():
        direct, calls, bare = (run_capture(what, answer) for what in ("direct", "calls", "bare"))
        grew = f"{calls['grew'] / 1e6:.0f} | {bare['grew'] / 1e6:.0f}"
        print(f"| {name} | {direct['sessions']:,} | {direct['fields']:,} "
              f"| {direct['held'] / 1e6:.0f} | {grew} |")  # fmt: skip
    many = run_capture("many", "small")
    print(f"| some words, {100 * SESSIONS:,} sessions of one | {many['sessions']:,} "
          f"| {many['fields']:,} | {many['held'] / 1e6:.0f} | | |\n")  # fmt: skip
    print("| a prediction gives | unwatched, ms | watched, ms | the capture adds, ms |")
    print("|---|---|---|---|")
    for answer, name in answers.items():
        times = run_capture("time", answer)
        bare_ms, watched_ms = times["bare"] * 1e3, times["watched"] * 1e3
        print(f"| {name} | {bare_ms:.2f} | {watched_ms:.2f} | {watched_ms - bare_ms:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure_capture(*arguments.measure)
    else:
        compare_capture()


if __name__ == "__main__":
    main()
