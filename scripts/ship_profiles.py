"""Make the profiles that ship with headlab for a model, with and without start token.

    python scripts/ship_profiles.py MODEL

They go to headlab/models/MODEL. Run it whenever behaviours, probes or the model change, and
scripts/ship_controls.py before it: what random weights of its shape show belongs to them.
"""

import os
import sys
import tempfile
from pathlib import Path

from headlab import load_model, profile_model
from headlab.profiles.corpus import passages
from headlab.profiles.corpus_pass import corpus_looks

MODELS = Path(__file__).resolve().parents[1] / "headlab" / "models"


def ship(name: str) -> None:
    """Measure everything anew; what was shipped before counts for nothing."""
    folder = MODELS / name
    folder.mkdir(exist_ok=True)
    model = load_model(name)
    for start, ending in (("model", ""), (None, "-no-start-token")):
        (folder / f"profile{ending}.json").unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as cache:
            os.environ["HEADLAB_CACHE"] = cache
            profile = profile_model(model, start_token=start)
            profile.save(folder / f"profile{ending}.json")
            looks = corpus_looks(model, passages(), profile, start_token=start, cache=False)
            looks.save(folder / f"corpus{ending}.json.gz")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        ship(name)
