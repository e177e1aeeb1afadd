"""What each training checkpoint of `mini` can do: best score per behaviour, heads per label.

    PYTHONPATH=. python scripts/mini_history.py CHECKPOINTS --out headlab/models/mini/history.json

CHECKPOINTS holds one model folder for each checkpoint, `step_00000` and so on, as
`train_mini.py` leaves them.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from headlab import load_model, profile_model


def checkpoint_figures(folder: Path) -> dict[str, object]:
    """Best score per behaviour, label counts and the share of facts answered of one checkpoint."""
    profile = profile_model(load_model(folder), variants=False, controls=0, cache=False)
    return {
        "step": int(folder.name.removeprefix("step_")),
        "best": {name: round(float(np.nanmax(s)), 4) for name, s in profile.score.items()},
        "labels": profile.label_counts(),
        "answered_correctly": round(float(profile.evidence["answered_correctly"]), 4),
    }


def checkpoint_folders(checkpoints: Path) -> list[Path]:
    """The folders of the checkpoints, by step."""
    return sorted(path for path in checkpoints.glob("step_*") if path.is_dir())


def write_history(checkpoints: Path, out: Path) -> None:
    """Measure every checkpoint and write what it can do."""
    history = [
        checkpoint_figures(folder) for folder in tqdm(checkpoint_folders(checkpoints), disable=None)
    ]
    text = json.dumps({"schema": "headlab.history/1", "checkpoints": history}, indent=1)
    out.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if not checkpoint_folders(options.checkpoints):
        parser.error(f"{options.checkpoints} holds no folders called step_*")
    write_history(options.checkpoints, options.out)


if __name__ == "__main__":
    main()
