"""What each training checkpoint of `mini` can do: best score per behaviour, heads per label.

    python scripts/mini_history.py CHECKPOINTS --model headlab/models/mini

CHECKPOINTS holds `step-*.safetensors`, weights alone; configuration and tokenizer are the model
folder's, where `history.json` is written.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from headlab import load_model, profile_model


def checkpoint_figures(weights: Path, model_folder: Path) -> dict[str, object]:
    """Best score per behaviour and label counts of one checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        for file in model_folder.glob("*.json"):
            if "token" in file.name or "config" in file.name:
                shutil.copy(file, folder)
        shutil.copy(weights, Path(folder) / "model.safetensors")
        model = load_model(folder)
        profile = profile_model(model, variants=False, controls=0, cache=False)
    return {
        "step": int(weights.stem.removeprefix("step-")),
        "best": {name: round(float(np.nanmax(s)), 4) for name, s in profile.score.items()},
        "labels": profile.label_counts(),
        "answered_correctly": round(float(profile.evidence["answered_correctly"]), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="the model's folder")
    options = parser.parse_args()
    weights = sorted(
        options.checkpoints.glob("step-*.safetensors"), key=lambda p: int(p.stem.split("-")[1])
    )
    if not weights:
        parser.error(f"{options.checkpoints} holds no step-*.safetensors")
    history = [checkpoint_figures(path, options.model) for path in tqdm(weights)]
    text = json.dumps({"schema": "headlab.history/1", "checkpoints": history}, indent=1)
    (options.model / "history.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
