"""Whether a `mini` reaches what its second edition aims at, measured by headlab itself.

    PYTHONPATH=. python scripts/judge_mini.py headlab/models/mini OTHER_FOLDER ...

One table, a column for each model folder, "yes" or "no" beside every aim.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

import mini_figures
import numpy as np
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from headlab import load_model, profile_model, read_text
from headlab.heads import Head
from headlab.measuring.probe_sentences import SENTENCES_A

ROOT = Path(__file__).resolve().parents[1]
TEXTS = sorted((ROOT / "prompts" / "texts").glob("*.toml"))


@dataclass
class Line:
    """One aim: what was measured in words, and whether it is reached (None: no aim, a figure)."""

    aim: str
    found: str
    reached: bool | None = None


def best(scores: np.ndarray, top: int = 2) -> str:
    """The heads with the highest scores, and these."""
    order = np.argsort(-np.nan_to_num(scores, nan=-1.0), axis=None)[:top]
    places = [np.unravel_index(i, scores.shape) for i in order]
    return ", ".join(f"{Head(int(a), int(b))} {scores[a, b]:.2f}" for a, b in places)


def natural_induction(model) -> np.ndarray:
    """[layer, head] induction on sentences said twice, by the rule for a learner's text."""
    texts = [f"{text} {text}" for text in SENTENCES_A]
    scores = [read_text(model, text).scores["induction"] for text in texts]
    return np.nanmean(np.stack(scores), axis=0)


def word_share(model, text: str, query: str, key: str) -> np.ndarray:
    """[layer, head] attention from the token of one word to that of another."""
    reading = read_text(model, text)
    words = [token.strip() for token in reading.token_texts]
    return reading.patterns[:, :, words.index(query), words.index(key)]


def least_correlation(model) -> float:
    """Over layers the highest of the least correlations between two heads, over the texts."""
    most = -1.0
    for path in TEXTS:
        text = tomllib.loads(path.read_text(encoding="utf-8"))["text"]
        patterns = read_text(model, text).patterns
        below = np.tril_indices(patterns.shape[-1])
        for layer in patterns:
            most = max(most, float(np.corrcoef(layer[:, *below]).min()))
    return most


def judged(folder: Path, examples: int) -> list[Line]:
    """Every aim, held against one model."""
    model = load_model(folder, device="cpu")
    profile = profile_model(model, variants=False, controls=0, cache=False)
    score, labels = profile.score, profile.label
    network = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    figures = mini_figures.measure(network, tokenizer, seed=2, examples=examples)

    previous, induction = score["previous_token"], score["induction"]
    layers = int((induction >= 0.6).any(1).sum())
    natural = natural_induction(model)
    copies, suppresses = score["name_copying"], score["name_suppression"]
    passes = profile.excess["retrieval"] >= 0.4
    writes = passes & (profile.evidence["raises_the_answer"] >= 0.5)
    resting = (score["first_token"] > 0.5).any(1)[2:]
    unnamed = int((labels == "unclassified").sum())
    alike = least_correlation(model)
    answered = float(profile.evidence["answered_correctly"])
    it = word_share(
        model, "The trophy doesn't fit in the suitcase because it is too big.", "it", "trophy"
    )
    she = word_share(
        model, "Alice went to the market because she wanted some apples.", "she", "Alice"
    )
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    n = labels.size
    return [
        Line("2 previous-token heads >= .7", best(previous, 3), int((previous >= 0.7).sum()) >= 2),
        Line(
            "a duplicate-token head >= .5",
            best(score["duplicate_token"]),
            bool(np.nanmax(score["duplicate_token"]) >= 0.5),
        ),
        Line(
            "induction >= .6 in 2 layers",
            f"{int((induction >= 0.6).sum())} in {layers} layers, {best(induction, 1)}",
            layers >= 2,
        ),
        Line("induction >= .3 on sentences said twice", best(natural), bool(natural.max() >= 0.3)),
        Line("name copying >= .5", best(copies), bool(np.nanmax(copies) >= 0.5)),
        Line("name suppression >= .3", best(suppresses), bool(np.nanmax(suppresses) >= 0.3)),
        Line(
            "retrieval heads on rung 3",
            f"{int(writes.sum())} of {int(passes.sum())} that pass, {best(score['retrieval'], 1)}",
            bool(writes.any()),
        ),
        Line(
            "first-token heads in most layers from 2 on",
            f"{int(resting.sum())} of {len(resting)} layers, "
            f"{int((score['first_token'] > 0.5).sum())} heads",
            bool(resting.mean() > 0.5),
        ),
        Line("at most half of the heads without a name", f"{unnamed} of {n}", unnamed <= n / 2),
        Line("least correlation in a layer < .95", f"{alike:.2f}", alike < 0.95),
        Line("facts answered, headlab's probes", f"{answered:.1%}"),
        Line("facts answered, held out", f"{figures['facts']:.1%}"),
        Line("indirect objects, held out", f"{figures['indirect objects']:.1%}"),
        Line('"it" to "trophy"', best(it)),
        Line('"she" to "Alice"', best(she)),
        Line("copying (report)", best(score["copying"])),
        Line("labels", profile.labels_text),
        Line("tokens a word", f"{figures['tokens a word']:.2f}"),
        Line("weights at most 12 MB", f"{size / 1e6:.2f} MB", size <= 12_000_000),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--examples", type=int, default=100, help="held-out questions (100)")
    parser.add_argument("--json", type=Path, help="also write what was found to this file")
    options = parser.parse_args()
    found = {str(folder): judged(folder, options.examples) for folder in options.folders}
    for index, first in enumerate(next(iter(found.values()))):
        print(f"\n{first.aim}")
        for name, lines in found.items():
            line = lines[index]
            verdict = {None: "", True: "yes: ", False: "no: "}[line.reached]
            print(f"    {name}: {verdict}{line.found}")
    if options.json:
        data = {name: [vars(line) for line in lines] for name, lines in found.items()}
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
