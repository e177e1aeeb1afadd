"""The behaviours of prompts/behaviours: as all should be, and right on cases made by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from headlab import load_model, score_patterns
from headlab.behaviours import own
from headlab.measuring.probes import own_prompts, repeats
from headlab.measuring.scoring import Batch
from headlab.models.attention import Tap, run
from headlab.models.logit_lens import written_logits

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "prompts" / "behaviours"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
MODULES = {name: own.load_file(FOLDER / f"{name}.py") for name in NAMES}


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


@pytest.mark.parametrize("name", NAMES)
def test_each_is_as_a_behaviour_should_be(name, model):
    module = MODULES[name]
    about = module.BEHAVIOUR
    assert about.name == name and own.problems_of(about) == []
    assert "Source: " in module.__doc__ and about.reason
    made = repeats(model, 0) if about.probes == ("repeats",) else own_prompts(model, 0, about)
    assert len(made) >= 12
    if about.targets:
        found = [about.targets(np.array(p.tokens), p.token_texts, p.spans) for p in made]
        assert all(cells.any() for cells in found)
    else:
        assert all(about.n_rows(prompt) for prompt in made)


def test_brackets_and_quotation_marks_find_their_openings():
    matches = MODULES["bracket_matching"].matches
    assert matches(["f", "(", "[", "a", "]", ",", "(", "b", "))"]) == [(4, 2), (8, 6), (8, 1)]
    assert matches(['"', "one", '"', ' "', "two", '"']) == [(2, 0), (5, 3)]
    assert matches([")", "(", "]", "(x)"]) == []  # never opened, another kind, in one token


def test_pieces_of_a_word_look_at_earlier_ones_and_chance_is_as_near():
    module = MODULES["subword_merging"]
    texts = ["<s>", "The", " photo", "syn", "thesis", ".", " Now"]
    cells = np.argwhere(module.same_word(texts)).tolist()
    assert cells == [[3, 2], [4, 2], [4, 3]]
    n = len(texts)
    previous = np.eye(n, k=-1)
    previous[0, 0] = 1
    (score,), (chance,) = scored(module.BEHAVIOUR, previous, range(n), texts)
    assert score == pytest.approx(1) and chance == pytest.approx(1, abs=0.01)  # no more than near
    aimed = previous.copy()
    aimed[5], aimed[6] = np.eye(n)[0], np.eye(n)[0]
    (score,), (chance,) = scored(module.BEHAVIOUR, aimed, range(n), texts)
    assert score == pytest.approx(1) and chance < 0.8


def scored(behaviour, pattern, tokens, texts):
    """Score and chance of one head."""
    from headlab.behaviours import Prompt

    batch = Batch([Prompt(tuple(tokens), tuple(texts))], [behaviour])
    found = batch.score_layer(0, torch.from_numpy(pattern[None, None].astype(np.float32)))
    scores, chances, _ = found
    return scores[behaviour.name][0], chances[behaviour.name][0]


def test_the_longer_match_is_told_from_the_shorter():
    module = MODULES["longer_prefix"]
    tokens = np.array([7, 1, 2, 3, 4, 8, 3, 5, 9, 2, 3, 6, 1, 2, 3])  # A B C=1 2 3
    best, every = module.longest(tokens)
    assert np.argwhere(best)[-1].tolist() == [14, 4]
    assert np.flatnonzero(every[14]).tolist() == [4, 7, 11]
    cells, weight = module.chance_cells(tokens)
    assert (cells == every).all() and weight == best.sum() / every.sum()
    rows = module.targets(tokens).any(-1).nonzero()[0]
    assert rows.tolist() == [10, 13, 14]  # the others have one match, or none
    pattern = np.eye(len(tokens))
    pattern[rows] = every[rows] / every[rows].sum(-1, keepdims=True)
    (score,), (chance,) = scored(module.BEHAVIOUR, pattern, tokens, map(str, tokens))
    assert score == pytest.approx(chance, abs=0.1)  # who takes all alike prefers none


def test_a_successor_is_what_the_output_raises_most(model):
    """One head, one list, element by element, with the function that the app draws from."""
    module = MODULES["successor"]
    prompt = own_prompts(model, 0, module.BEHAVIOUR)[0]
    batch, found, values = Batch([prompt], [module.BEHAVIOUR], model=model), {}, {}

    def read(layer, pattern, value):
        found[layer] = batch.score_layer(layer, pattern, value)[0]["successor"][0]
        values[layer] = value[0].clone()

    run(model.network, model.as_batch([prompt.tokens]), Tap(read=read))
    pairs = module.followers(prompt)
    ids = {place: prompt.tokens[place] for place in {*pairs, *pairs.values()}}
    for layer, head in ((0, 3), (5, 7), (11, 0)):
        right = []
        for place, next_ in pairs.items():
            logits = written_logits(model.network, layer, head, values[layer][head, place])
            others = {p: float(logits[t]) for p, t in ids.items() if p != place}
            right.append(max(others, key=others.get) == next_)
        assert found[layer][head] == pytest.approx(np.mean(right))


def test_anti_induction_counts_what_is_looked_at_and_lowered(model):
    module = MODULES["anti_induction"]
    prompts = repeats(model, 0)[:2]
    batch, checked = Batch(prompts, [module.BEHAVIOUR], model=model), []

    def read(layer, pattern, value):
        found = batch.score_layer(layer, pattern, value)[0]["anti_induction"]
        lowered = batch.raised_and_lowered(layer, value)[1].numpy()
        for index, prompt in enumerate(prompts):
            tokens, n = prompt.tokens, len(prompt.tokens)
            total = 0.0
            for q in range(prompt.half, n):
                k = tokens.index(tokens[q]) + 1  # each token stands once in a half
                total += pattern[index, 4, q, k].item() * lowered[index, 4, k]
            checked.append(total / (n - prompt.half))
            assert found[index, 4] == pytest.approx(checked[-1], abs=1e-5)

    tap = Tap(read=read, edit_residual=batch.edit_residual)
    run(model.network, model.as_batch([prompt.tokens for prompt in prompts]), tap)
    assert max(checked) > 0


PROFILE = """
import json
from headlab import load_model, profile_model
from headlab.behaviours import behaviour_problems, behaviours
profile = profile_model(load_model("mini"), variants=False, controls=0, cache=False)
print(json.dumps({name: [float(profile.score[name].max()), profile.n_prompts[name]]
                  for name in behaviours()} | {"problems": behaviour_problems()}))
"""


def test_they_are_profiled_beside_ours_and_packages_may_bring_some(tmp_path):
    facts = tmp_path / "theirs-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[headlab.behaviours]\nthree_back = three_back_of_theirs\nnone = json\n"
    )
    source = own.TEMPLATE.format(name="three_back", title="Three back")
    (tmp_path / "three_back_of_theirs.py").write_text(source)
    environment = os.environ | {"HEADLAB_BEHAVIOURS": str(FOLDER)}
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-c", PROFILE], capture_output=True, text=True, env=environment, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found.pop("problems")) == ["none"]
    assert set(NAMES) | {"three_back", "induction"} <= set(found)
    for name in (*NAMES, "three_back"):
        score, n_prompts = found[name]
        assert 0 <= score <= 1 and n_prompts >= 12, name


def test_patterns_alone_show_those_that_need_no_model():
    needs = [name for name, module in MODULES.items() if module.BEHAVIOUR.needs_model]
    assert needs == ["anti_induction", "successor"]
    assert set(score_patterns(np.eye(3)[None, None], [1, 2, 3])).isdisjoint(NAMES)  # not asked for
