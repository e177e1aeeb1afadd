"""Results in a notebook: small, offline, text kept plain; and what others have in memory."""

from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

import headlab
from headlab import (
    Circuit,
    HeadlabError,
    ablate,
    compare_profiles,
    composition,
    embed,
    explain_attention,
    explain_sink,
    load_model,
    path_patch_map,
    plot,
    profile_model,
    read_text,
    score_patterns,
    show,
)
from headlab.models.catalogue import CATALOGUE
from tests.models import gpt2_config, tiny_tokenizer

LIBRARY = """
AttentionExplanation Attribution Circuit Composition Detection Detector EdgeAttribution
Faithfulness Head HeadlabError Intervention LoadedModel Patching PathPatching Profile Reading
Report Sink Sweep __version__ ablate ablation_sweep attribute attribute_edges chat_turn
compare_profiles composition continue_text detect embed explain_attention explain_sink
load_model make_plan make_report mean_reference open_report patch path_patch path_patch_map plot
profile_model read_cells read_text read_texts replace_word run_sweep score_patterns show
strongest_listeners strongest_senders why_word
"""
TEXT = "The cat sat on the mat. The cat sat on the"
HOSTILE = "The <script>alert(1)</script> cat & </script><b>dog</b> sat. The cat"


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


@pytest.fixture(scope="module")
def results(model):
    profile = profile_model(model)
    return {
        "model": model,
        "reading": read_text(model, TEXT),
        "profile": profile,
        "intervention": ablate(model, TEXT, "L3.H5"),
        "comparison": compare_profiles(profile, profile),
        "explanation": explain_attention(model, TEXT, "L3.H5", 9, 3),
        "composition": composition(model),
        "path": path_patch_map(model, TEXT, TEXT, "L1.H0", key=2),
        "faithfulness": Circuit(["L0.H0"]).faithfulness(model, TEXT, answer=" mat"),
        "sink": explain_sink(model, TEXT, "L5.H0"),
    }


def test_results_show_and_plot_themselves(results):
    reading, profile = results["reading"], results["profile"]
    assert reading.show(layer=3).html == show(reading, layer=3).html
    assert reading.show(0, profile).html == show(reading, 0, profile).html
    assert reading.plot("L3.H5") == plot(reading, "L3.H5")
    assert profile.plot("induction") == plot(profile, "induction")


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def test_every_result_shows_itself_small_and_offline(results):
    for name, result in results.items():
        html = result._repr_html_()
        assert 20 < len(html) < 250_000 and "http" not in html, name
        assert len(repr(result).splitlines()) <= 10 and len(repr(result)) < 4_000, name


def test_what_is_shown_is_text(model):
    html = read_text(model, HOSTILE)._repr_html_()
    parser = _Tags()
    parser.feed(html)
    assert {tag for tag, _ in parser.tags} & {"script", "b", "img"} == {"b"}  # our own title
    assert html.count("<b>") == 1


@pytest.mark.parametrize("make", [show, lambda reading: embed(reading, "L3.H5")])
def test_a_document_holds_its_data_and_nothing_foreign(model, make):
    html = make(read_text(model, HOSTILE)).html
    parser = _Tags()
    parser.feed(html)
    tags = [tag for tag, _ in parser.tags]
    assert (
        tags.count("script") == 1
        and "img" not in tags
        and "<b>dog" not in html.split("<script>")[0]
    )
    assert not any(
        "//" in value for _, a in parser.tags for value in (a.get("src"), a.get("href")) if value
    )


def test_sizes_are_those_that_were_promised(model, tmp_path):
    reading = read_text(model, TEXT)
    assert len(embed(reading, (3, 5)).html.encode()) <= 120_000
    assert len(show(reading, 3, profile_model(model))._repr_html_().encode()) <= 250_000
    embed(reading, "3.5").save(tmp_path / "head.html")
    assert (tmp_path / "head.html").read_text(encoding="utf-8") == embed(reading, "3.5").html


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda r: show(r, 12), "has no layer 12"),
        (lambda r: embed(r, "L3.H12"), "holds no pattern of L3.H12"),
        (lambda r: embed(r, "L3.H1", 99), "no position 99"),
        (lambda r: plot(r, "L12.H0"), "layer 12 were not kept"),
        (lambda r: plot(profile_model(load_model("mini")), "inductions"), "no behaviour 'ind"),
    ],
)
def test_what_is_not_there_gets_a_sentence(model, act, words):
    with pytest.raises(HeadlabError, match=words):
        act(read_text(model, TEXT))


def test_a_figure_in_one_line(results):
    reading, profile = results["reading"], results["profile"]
    drawn = np.asarray(plot(reading, "L3.H5").data[0].customdata, dtype=float)
    np.testing.assert_allclose(np.nan_to_num(drawn), reading.pattern(3, 5), atol=1e-6)
    scores = np.asarray(plot(profile, "induction").data[0].z, dtype=float)
    np.testing.assert_allclose(scores, profile.score["induction"].T, atol=1e-6)


def test_patterns_as_transformers_returns_them(model):
    network = AutoModelForCausalLM.from_pretrained(
        CATALOGUE["mini"].folder, attn_implementation="eager", dtype=torch.float32
    )
    reading = read_text(model, TEXT)
    given = network(torch.tensor([reading.tokens]), output_attentions=True).attentions
    assert given[0].requires_grad
    ours = score_patterns(reading.patterns, reading.tokens, token_texts=reading.token_texts)
    theirs, chance = score_patterns(
        given, reading.tokens, token_texts=reading.token_texts, with_chance=True
    )
    for name, score in ours.items():
        np.testing.assert_allclose(theirs[name], score, atol=1e-5)
    assert chance["induction"].shape == (12, 12) and (chance["induction"] > 0).all()
    half = tuple(layer.bfloat16() for layer in given)
    rough = score_patterns(half, reading.tokens, "first_token")["first_token"]
    np.testing.assert_allclose(rough, ours["first_token"], atol=0.02)


def test_a_network_in_memory_is_read_and_left_as_it_was():
    network = AutoModelForCausalLM.from_config(gpt2_config(), attn_implementation="eager").train()
    network.config._name_or_path = ""
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    model = load_model(network, tiny_tokenizer())
    reading = read_text(model, "The cat sat on the mat")
    assert (reading.n_layers, reading.n_heads) == (3, 4)
    assert network.training and network.config._attn_implementation == "eager"
    assert all(torch.equal(before[name], w) for name, w in network.state_dict().items())
    assert profile_model(model, variants=False, controls=0, cache=False).label.shape == (3, 4)
    with pytest.raises(HeadlabError, match="needs its tokenizer"):
        load_model(network)
    with pytest.raises(HeadlabError, match="Linear is no causal language model"):
        load_model(torch.nn.Linear(2, 2), tiny_tokenizer())


def test_the_names_of_the_library_are_these():
    """Who renames one breaks somebody's script: a change here is a change of the library."""
    assert set(headlab.__all__) == set(LIBRARY.split())
    assert all(getattr(headlab, name) is not None for name in headlab.__all__)
