"""What explaining one cell of a pattern costs beside bare forward passes of the same text.

    PYTHONPATH=. python benchmarks/explain_speed.py [--repeat 7]

On a text of 15 tokens, on `mini` and on random weights of GPT-2 small's shape: a bare eager pass
without unembedding, and `explain_attention` of one cell of a head in the middle layer and of one in
the last. In turns in one run; medians of the seconds and of the ratios.
"""

import argparse
import statistics
from functools import partial

from bare import bare_pass, eager_twin
from intervention_speed import random_model, seconds

from headlab import LoadedModel, explain_attention, load_model
from headlab.behaviours import Prompt
from headlab.models.proof import examine
from headlab.models.tokens import tokenise

TEXT = "The cat sat on the mat. The cat sat on the mat"


def compare(model: LoadedModel, repeat: int) -> None:
    """Print what each way takes, and its ratio to a bare pass."""
    tokens = tuple(tokenise(model, TEXT, model.start_token)[0])
    bare = bare_pass(model, eager_twin(model.network), [[Prompt(tokens)]])
    heads = {"middle layer": (model.n_layers // 2, 0), "last layer": (model.n_layers - 1, 0)}
    ways = {
        f"a cell, {name}": partial(explain_attention, model, TEXT, head, -1, 3)
        for name, head in heads.items()
    }
    for work in (bare, *ways.values()):
        work()  # what is only done once
    taken: dict[str, list[float]] = {name: [] for name in ways}
    passes = []
    for _ in range(repeat):
        passes.append(seconds(bare))
        for name, work in ways.items():
            taken[name].append(seconds(work))
    print(f"{model.name}, {len(tokens)} tokens: a bare pass {statistics.median(passes):.3f} s")
    for name, times in taken.items():
        ratios = [each / one for each, one in zip(times, passes, strict=True)]
        print(
            f"  {name}: {statistics.median(times):.3f} s, "
            f"{statistics.median(ratios):.1f} bare passes"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7)
    repeat = parser.parse_args().repeat
    mini = load_model("mini")
    large = random_model(mini, 768)
    examine(large.network)
    for model in (mini, large):
        compare(model, repeat)


if __name__ == "__main__":
    main()
