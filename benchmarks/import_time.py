"""
Measure `import flagstone`, compared to Gradio and an empty program.

    python -m benchmarks.import_time
"""

import statistics
import subprocess
import sys
import time

RUNS = 15


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    codes = {"nothing": "pass", "flagstone": "import flagstone", "gradio": "import gradio"}
    taken: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(RUNS):
        for name, code in codes.items():
            taken[name].append(seconds(code) * 1000)
    start = statistics.median(taken["nothing"])
    print(f"median of {RUNS} runs each, in turn; the bare interpreter takes {start:.0f} ms\n")
    print("| import | ms beyond the bare interpreter |\n|---|---|")
    for name in ("flagstone", "gradio"):
        print(f"| {name} | {statistics.median(taken[name]) - start:.0f} |")


if __name__ == "__main__":
    main()
