"""
What Label Studio's own reader finds wrong with the export in the folder that is named.
"""

import json
import sys
from pathlib import Path

from label_studio_sdk.label_interface import LabelInterface

folder = Path(sys.argv[1])
interface = LabelInterface((folder / "config.xml").read_text(encoding="utf-8"))
interface.validate()
wrong = []
for task in json.loads((folder / "tasks.json").read_bytes()):
    if not interface.validate_task({"data": task["data"]}):
        wrong.append(task["data"])
    for answers in task["predictions"] + task["annotations"]:
        wrong += interface.validate_prediction(answers, return_errors=True)
sys.stdout.write(json.dumps(wrong))
