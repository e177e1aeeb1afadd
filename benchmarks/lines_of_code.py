"""Lines of code for six jobs, beside TransformerLens, BertViz and CircuitsVis.

    PYTHONPATH=. python benchmarks/lines_of_code.py

Every job is run on `mini` before its lines are counted, so that none is counted that does not work;
a peer that is not installed is left out (pip install bertviz circuitsvis). Imports and the opening
of the model are not counted: each tool has one line for them. A dash: the tool does not offer it.
"""

import ast
import copy
import importlib.util

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from headlab import load_model
from headlab.models.catalogue import CATALOGUE
from tests.oracle.test_transformer_lens import bridge_of

JOBS = {
    "All heads of a layer on a text, to look at": {
        "headlab": "read_text(model, TEXT).show(layer=3)",
        "TransformerLens": "",
        "BertViz": """
ids = tokenizer(TEXT, return_tensors="pt").input_ids
attention = network(ids, output_attentions=True).attentions
head_view(attention, tokenizer.convert_ids_to_tokens(ids[0]), include_layers=[3])
""",
        "CircuitsVis": """
ids = tokenizer(TEXT, return_tensors="pt").input_ids
attention = network(ids, output_attentions=True).attentions
attention_heads(attention[3][0], tokenizer.convert_ids_to_tokens(ids[0]))
""",
    },
    "One head's attention as an array": {
        "headlab": "read_text(model, TEXT).pattern(3, 5)",
        "TransformerLens": """
_, cache = bridge.run_with_cache(bridge.to_tokens(TEXT))
cache["blocks.3.attn.hook_pattern"][0, 5]
""",
    },
    "Every head's induction score on repeated random tokens": {
        "headlab": 'profile_model(model).score["induction"]',
        "TransformerLens": """
once = torch.randint(300, 2000, (20, 25))
_, cache = bridge.run_with_cache(torch.cat([once, once], dim=1))
torch.stack([
    cache[f"blocks.{i}.attn.hook_pattern"].diagonal(-24, -2, -1).mean((0, 2))
    for i in range(bridge.cfg.n_layers)
])
""",
    },
    "The same with intervals, chance and random weights, as a table": {
        "headlab": """
profile = profile_model(model)
profile.to_frame()
""",
    },
    "What is expected without one head": {
        "headlab": 'ablate(model, TEXT, "L3.H5", mode="zero")',
        "TransformerLens": """
def without(z, hook):
    z[:, :, 5] = 0
    return z
bridge.run_with_hooks(
    bridge.to_tokens(TEXT), fwd_hooks=[("blocks.3.attn.hook_z", without)]
)[0, -1].log_softmax(-1)
""",
    },
    "Who wrote what makes a head look there": {
        "headlab": 'explain_attention(model, TEXT, "L3.H5", query=8, key=2).to_frame()',
    },
}
TOOLS = ("headlab", "TransformerLens", "BertViz", "CircuitsVis")


def lines(code: str) -> int:
    """Lines of a snippet that are not empty."""
    return sum(bool(line.strip()) for line in code.splitlines())


def names() -> dict[str, object]:
    """What the snippets may use; a peer's function only where it is installed."""
    folder = str(CATALOGUE["mini"].folder)
    network = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = {
        "TEXT": "The cat sat on the mat. The cat sat on the",
        "torch": torch,
        "network": network,
        "tokenizer": tokenizer,
        "model": load_model("mini"),
        "bridge": bridge_of(copy.deepcopy(network), tokenizer),
    }
    exec("from headlab import ablate, explain_attention, profile_model, read_text", found)
    if importlib.util.find_spec("bertviz"):
        exec("from bertviz import head_view", found)
    if importlib.util.find_spec("circuitsvis"):
        exec("from circuitsvis.attention import attention_heads", found)
    return found


def main() -> None:
    """Run every job with every tool that offers it, and print the lines it takes."""
    given = names()
    here = {
        "headlab": True,
        "TransformerLens": True,
        "BertViz": "head_view" in given,
        "CircuitsVis": "attention_heads" in given,
    }
    print(f"| job | {' | '.join(TOOLS)} |")
    print(f"|---|{'---|' * len(TOOLS)}")
    for job, ways in JOBS.items():
        counts = []
        for tool in TOOLS:
            code = ways.get(tool, "")
            if code and here[tool]:
                exec(compile(ast.parse(code), tool, "exec"), dict(given))
            counts.append("-" if not code else str(lines(code)) if here[tool] else "not run")
        print(f"| {job} | {' | '.join(counts)} |")


if __name__ == "__main__":
    main()
