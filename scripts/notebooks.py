"""Run the example notebooks and write them, with what they print, to docs/notebooks.

    PYTHONPATH=. python scripts/notebooks.py

What they say and do stands here, words and code in turn. ``tests/tools/test_notebooks.py`` runs
the notebooks as they are kept.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "notebooks"

FIRST_LOOK = (
    """# A first look at attention heads

A **head** lets every token of a text look back at earlier ones. `mini` is a small model that comes
with headlab: nothing is downloaded.""",
    """from headlab import ablate, explain_attention, load_model, profile_model, read_text

model = load_model("mini")
reading = read_text(model, "The cat sat on the mat. The cat sat on the")
reading.show(layer=3)""",
    """Slide through the layers; point at a word. Before you go on: which head of layer 3 looks from
the second *The* at the first *cat*, the word that followed *The* the last time?""",
    """reading.to_frame().nlargest(5, "induction")[["name", "here", "induction", "first_token"]]""",
    """One text proves little. A **profile** scores every head on many probe texts, with an
interval, beside what even attention would score.""",
    """profile = profile_model(model)
profile.ranking("induction", top=5)""",
    """Attention shows where a head looks, not what it does. Remove the strongest one, and see what
the model then expects.""",
    """strongest = profile.ranking("induction", top=1)["name"].iloc[0]
ablate(model, reading.text, strongest, mode="mean")""",
    """And why does it look there? Every earlier part of the model wrote a share of the score.""",
    """explain_attention(model, reading.text, strongest, query=8, key=2).to_frame().head(5)""",
)
BEFORE_AND_AFTER = (
    """# Your fine-tuned model, before and after

Two models with one tokenizer side by side: which heads changed what they do? Here the second one
is `mini` after some steps on passages that say everything twice; take your own network instead.""",
    """import copy

import torch

from headlab import compare_profiles, load_model, profile_model

before = load_model("mini")
network = copy.deepcopy(before.network).train()""",
    """Passages of 24 random tokens, each written twice: only a head that finds the earlier copy can
tell what comes next.""",
    """torch.manual_seed(0)
optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4)
for _ in range(30):
    once = torch.randint(300, 2000, (8, 24))
    batch = torch.cat([once, once], dim=1)
    loss = network(batch, labels=batch).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()""",
    """A network in memory needs its tokenizer. It is read as it is, and left as it was.""",
    """after = load_model(network, before.tokenizer)
old, new = (profile_model(m, variants=False, controls=0, cache=False) for m in (before, after))
changes = compare_profiles(old, new)
changes""",
    """A change counts where it lies beyond what other probe texts would have given. The heads that
moved most in induction:""",
    """table = changes.to_frame()
mine = table[table["behaviour"] == "induction"]
mine.reindex(mine["change"].abs().sort_values(ascending=False).index).head(5)""",
)
NOTEBOOKS = {"first-look": FIRST_LOOK, "before-and-after": BEFORE_AND_AFTER}


def made(cells: tuple[str, ...]) -> nbformat.NotebookNode:
    """A notebook of words and code in turn."""
    found = nbformat.v4.new_notebook()
    kinds = (nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell)
    for number, text in enumerate(cells):
        found.cells.append(kinds[number % 2](text, id=f"cell-{number}"))
    return found


def run(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with what its cells give; raises what a cell raises.

    Warnings of this machine are left out: they are of no use to who reads, and name its folders.
    """
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    return notebook


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, cells in NOTEBOOKS.items():
        path = FOLDER / f"{name}.ipynb"
        nbformat.write(run(made(cells)), path)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
