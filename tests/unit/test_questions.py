"""Keys are measured: each kind recomputed by plain numpy, margins on patterns made by hand."""

from dataclasses import dataclass, replace
from functools import cache, partial
from types import SimpleNamespace

import numpy as np
import pytest

from headlab import Circuit, Detector, load_model, profile_model, read_text
from headlab.exercises import MeasurementContext, explain, grade, prepare, sheets
from headlab.exercises.effects import size_of
from headlab.exercises.format import Question, Text, placeholders
from headlab.exercises.measures import MIN_MARGIN
from headlab.exercises.prepared import (
    CANNOT,
    NOT_GRADED,
    NOT_SUPPORTED,
    RIGHT,
    SKIPPED,
    SUPPORTED,
    WRONG,
)
from headlab.exercises.record import Setting
from headlab.heads import Head
from headlab.measuring.probes import sentences
from headlab.measuring.reading import SHAPES, Reading
from headlab.mechanisms import strongest_senders
from headlab.profiles.corpus import kept_corpus, passages
from tests.models import configurations, tiny_model
from tests.profiles import weakened

TROPHY = Text("t", "The trophy doesn't fit in the suitcase because it is too big.")
CLAIM = "claim"
CAT = Text("c", "The cat sat on the mat. The cat sat on the")
GARDEN = Text("g", "The old man walked slowly through the garden behind his house.")


@cache
def mini():
    return load_model("mini")


@cache
def lab():
    return MeasurementContext.of(mini())


def patterns(text):
    """Patterns [layer, head, query, key] and token texts, straight from the model."""
    reading = read_text(mini(), text.words)
    return reading.patterns.astype(float), reading.token_texts


def key_of(kind, measure, text=TROPHY, **fields):
    prepared = prepare(Question("?", kind, text, measure, **fields), lab())
    assert prepared.posable, prepared.why
    return prepared.key


# -- every kind against plain numpy


def far_shares(pattern):
    n = pattern.shape[-1]
    rows = [pattern[..., q, 1 : max(q - 4, 1)].sum(-1) for q in range(2, n)]
    return np.mean(rows, axis=0)  # [layer, head]


def test_which_head_is_the_arg_max_over_heads():
    far = far_shares(patterns(TROPHY)[0])
    key = key_of("which head", "shape", shape="far", layer="last")
    assert key.accepted[0] == f"L11.H{far[11].argmax()}"
    assert key.score == pytest.approx(far[11].max(), abs=1e-5)
    everywhere = key_of("which head", "shape", shape="far")
    assert Head.parse(everywhere.accepted[0]) == np.unravel_index(far.argmax(), far.shape)


def test_which_layer_by_attention_between_two_words():
    pattern, texts = patterns(TROPHY)
    cell = pattern[:, :, texts.index(" it"), texts.index(" trophy")]
    key = key_of("which layer", "attention", from_word="it", to_word="trophy")
    assert key.accepted[0] == str(cell.max(axis=1).argmax())
    close = cell.max() - cell.max(axis=1) <= MIN_MARGIN
    assert {int(layer) for layer in key.accepted} == set(np.flatnonzero(close))
    mean = key_of("which layer", "attention", from_word="it", to_word="trophy", by="mean")
    assert mean.accepted[0] == str(cell.mean(axis=1).argmax())


def test_which_layer_by_induction_on_a_text():
    pattern, texts = patterns(CAT)
    n, rows = len(texts), []
    for q in range(n):
        after = {j + 1 for j in range(q) if texts[j] == texts[q]}
        keys = [k for k in after if k < q - 1 and texts[k] != texts[q]]
        if keys:
            rows.append(pattern[:, :, q, keys].sum(-1))
    score = np.mean(rows, axis=0)
    key = key_of("which layer", "score", CAT, behaviour="induction")
    assert key.accepted[0] == str(score.max(axis=1).argmax())
    assert key.score == pytest.approx(score.max(), abs=1e-5)


def test_how_many_heads_look_at_themselves():
    pattern, _ = patterns(TROPHY)
    share = np.diagonal(pattern[0], axis1=-2, axis2=-1)[:, 2:].mean(-1)
    key = key_of("how many heads", "shape", shape="current", layer="first")
    assert key.accepted[0] == str((share >= 0.5).sum())


def test_how_many_heads_in_the_profile():
    profile = profile_model(mini())
    excess = (profile.score["induction"] - profile.chance["induction"]) / (
        1 - profile.chance["induction"]
    )
    key = key_of("how many heads", "profile", behaviour="induction", layer=3)
    assert key.accepted[0] == str((excess[3] >= 0.6).sum())


def test_which_of_two_heads():
    pattern, _ = patterns(TROPHY)
    previous = np.diagonal(pattern, offset=-1, axis1=-2, axis2=-1)[..., 1:].mean(-1)
    heads = [Head(0, 0), Head(11, 7)]
    expected = max(heads, key=lambda head: previous[head])
    key = key_of("which of two heads", "shape", shape="previous", heads=("L0.H0", "L11.H7"))
    assert key.accepted == (str(expected),)
    assert key.margin == pytest.approx(abs(previous[heads[0]] - previous[heads[1]]), abs=1e-5)


@pytest.mark.parametrize("head", ["L0.H0", "L3.H5", "L0.H11"])
def test_which_shape(head):
    pattern = patterns(TROPHY)[0][Head.parse(head)]
    n = len(pattern)
    share = dict.fromkeys(SHAPES.values(), 0.0)
    for q in range(2, n):
        for k in range(q + 1):
            back = q - k
            near = {0: "current token", 1: "previous token"}.get(back)
            name = "first token" if k == 0 else near or ("local" if back <= 4 else "far")
            share[name] += pattern[q, k] / (n - 2)
    best = max(share, key=lambda name: share[name])
    assert share[best] > 0.55  # the three heads are clear cases
    assert key_of("which shape", "shape", head=head).accepted == (best,)


def test_which_token():
    pattern, texts = patterns(CAT)
    query = max(i for i, text in enumerate(texts) if text == " the")
    head = Head(3, 3)
    row = pattern[head][query, : query + 1]
    key = key_of("which token", "attention", CAT, head=str(head), from_word="the")
    assert key.accepted[0] == str(row.argmax())
    rest = key_of(
        "which token", "attention", CAT, head=str(head), from_word="the", without_first=True
    )
    assert rest.accepted[0] == str(row[1:].argmax() + 1)
    assert rest.score == pytest.approx(row[1:].max() / row[1:].sum(), abs=1e-5)


def test_claims_about_counts():
    passed = (profile_model(mini()).score["first_token"] >= 0.5).sum(axis=1)
    fields = {"behaviour": "first_token", "layer": "every", "at_least": 1, "at_most": 3}
    key = key_of(CLAIM, "profile", **fields)
    holds = bool(((passed >= 1) & (passed <= 3)).all())
    assert key.accepted == (SUPPORTED if holds else NOT_SUPPORTED,)
    assert ", ".join(map(str, passed)) in key.text
    most = int(passed.max())
    loose = key_of(CLAIM, "profile", **(fields | {"at_least": 0, "at_most": most}))
    assert loose.accepted == (SUPPORTED,)
    rises = key_of(CLAIM, "profile", behaviour="first_token", layer="every", rises=True)
    assert (rises.accepted[0] == SUPPORTED) == bool((np.diff(passed) >= 0).all())


def test_claims_about_one_head():
    score = float(profile_model(mini()).score["previous_token"][0, 0])
    about = {"behaviour": "previous_token", "head": "L0.H0"}
    assert key_of(CLAIM, "profile", **about, at_least=score - 0.1).accepted == (SUPPORTED,)
    assert key_of(CLAIM, "profile", **about, at_least=score + 0.1).accepted == (NOT_SUPPORTED,)
    close = key_of(CLAIM, "profile", **about, at_least=score)
    assert close.accepted == (CANNOT,) and not close.graded and "too close" in close.why
    assert key_of(CLAIM, "profile", **about, at_least="threshold").accepted == (SUPPORTED,)


def test_what_a_text_gives_no_occasion_to_test_is_the_right_verdict():
    about = {"behaviour": "induction", "head": "top:induction", "at_least": 0.3}
    key = key_of(CLAIM, "score", GARDEN, **about)
    assert key.accepted == (CANNOT,) and key.graded and "repeats itself" in key.text
    prepared = prepare(Question("?", "which layer", GARDEN, "score", behaviour="induction"), lab())
    assert not prepared.posable and "repeats itself" in prepared.why and prepared.key is None


# -- margins, on patterns made by hand


def hand_lab(first_shares, n=6):
    """A lab whose heads give a share of every row to the first token and the rest to themselves."""
    shares = np.asarray(first_shares, dtype=float)  # [layer, head]
    none = np.zeros_like(shares)
    reading = SimpleNamespace(
        shares={"first": shares, "current": 1 - shares}
        | dict.fromkeys(("previous", "local", "far"), none),
        entropy=np.full_like(shares, 0.1),
    )
    reading.hint = partial(Reading.hint, reading)
    n_layers, n_heads = shares.shape
    model = SimpleNamespace(name="hand", content_hash="0", n_layers=n_layers, n_heads=n_heads)
    return HandContext(model, None, made=reading)


@dataclass(frozen=True, eq=False)
class HandContext(MeasurementContext):
    """One reading for every text, and nothing else."""

    made: object = None

    def reading(self, text):
        return self.made

    def profile(self):
        pytest.fail("no profile is needed")

    def removal(self, text, heads, token):
        pytest.fail("nothing is removed")


def first(kind="which head", **fields):
    return Question("?", kind, TROPHY, "shape", shape="first", **fields)


def test_answers_within_the_least_margin_are_accepted_side_by_side():
    shares = [[0.90, 0.86, 0.70, 0.2, 0.1, 0.0]]
    prepared = prepare(first(), hand_lab(shares))
    assert prepared.key.accepted == ("L0.H0", "L0.H1") and prepared.key.graded
    assert prepared.key.margin == pytest.approx(0.2)
    assert grade(prepared.key, "L0.H1").outcome == RIGHT
    assert grade(prepared.key, "L0.H2").outcome == WRONG
    assert grade(prepared.key, None).outcome == SKIPPED
    assert prepared.hidden == tuple(Head(0, h) for h in range(6))


def test_too_many_close_answers_are_not_graded_and_it_says_why():
    prepared = prepare(first(), hand_lab([[0.90, 0.89, 0.88, 0.2, 0.1, 0.0]]))
    assert not prepared.key.graded
    verdict = grade(prepared.key, "L0.H5")
    assert verdict.outcome == NOT_GRADED and "3 answers lie too close" in verdict.sentence
    two = prepare(first("which of two heads", heads=("L0.H0", "L0.H1")), hand_lab([[0.5, 0.52]]))
    assert not two.key.graded


def test_counts_at_the_line_are_accepted_at_both_ends():
    prepared = prepare(
        first("how many heads", layer="first"), hand_lab([[0.9, 0.51, 0.3, 0.2, 0.1, 0]])
    )
    assert prepared.key.accepted == ("2", "1") and prepared.key.graded
    exact = prepare(
        first("how many heads", layer="first", passing=0.6), hand_lab([[0.9, 0.51, 0.3, 0.2]])
    )
    assert exact.key.accepted == ("1",)


def test_a_picture_between_two_shapes_has_both():
    prepared = prepare(
        Question("?", "which shape", TROPHY, "shape", head="L0.H0"), hand_lab([[0.51, 0.9]])
    )
    assert set(prepared.key.accepted) >= {"first token", "current token"}
    clear = Question("?", "which shape", TROPHY, "shape", head="L0.H1")
    assert prepare(clear, hand_lab([[0.51, 0.9]])).key.accepted == ("first token",)


def test_a_claim_at_its_bound_is_not_decided():
    claim = first(CLAIM, layer="first", at_least=2)
    assert prepare(claim, hand_lab([[0.9, 0.9, 0.1]])).key.accepted == (SUPPORTED,)
    assert prepare(claim, hand_lab([[0.9, 0.1, 0.1]])).key.accepted == (NOT_SUPPORTED,)
    assert not prepare(claim, hand_lab([[0.9, 0.51, 0.1]])).key.graded


def test_all_means_all():
    every = first(CLAIM, layer="first", at_least="all")
    assert prepare(every, hand_lab([[0.9, 0.9, 0.9]])).key.accepted == (SUPPORTED,)
    assert prepare(every, hand_lab([[0.9, 0.9, 0.1]])).key.accepted == (NOT_SUPPORTED,)


# -- heads removed


def by_hand(text, removed, watch):
    """Next-token probability and patterns [layer, head, query, key], with and without heads.

    A plain forward pass of GPT-2 with float64 arrays, apart from what headlab runs: the removed
    heads' outputs before W_O are set to their means over the probes' sentences, after the start
    token.
    """
    network, tokenizer = mini().network, mini().tokenizer
    weights = {name: w.detach().numpy().astype(float) for name, w in network.state_dict().items()}
    heads, layers = network.config.n_head, network.config.n_layer
    start = tokenizer.convert_tokens_to_ids("<|endoftext|>")

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(
            x.var(-1, keepdims=True) + network.config.layer_norm_epsilon
        )
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def through(x, name):
        return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def run(ids, means=None):
        n, patterns, outputs = len(ids), [], []
        x = weights["transformer.wte.weight"][ids] + weights["transformer.wpe.weight"][:n]
        for layer in range(layers):
            name = f"transformer.h.{layer}"
            qkv = through(norm(x, f"{name}.ln_1"), f"{name}.attn.c_attn")
            q, k, v = qkv.reshape(n, 3, heads, -1).transpose(1, 2, 0, 3)
            scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
            scores[:, np.triu(np.ones((n, n), dtype=bool), 1)] = -np.inf
            pattern = np.exp(scores - scores.max(-1, keepdims=True))
            pattern /= pattern.sum(-1, keepdims=True)
            output = pattern @ v  # [head, position, d_head]
            patterns.append(pattern)
            outputs.append(output.copy())
            for head in removed if means is not None else ():
                if head.layer == layer:
                    output[head.head, 1:] = means[layer][head.head]
            x = x + through(output.swapaxes(0, 1).reshape(n, -1), f"{name}.attn.c_proj")
            wide = through(norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc")
            wide = wide / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3)))
            x = x + through(wide, f"{name}.mlp.c_proj")
        logits = norm(x, "transformer.ln_f")[-1] @ weights["lm_head.weight"].T
        chances = np.exp(logits - logits.max())
        return chances / chances.sum(), np.array(patterns), outputs

    probes = [run(list(prompt.tokens))[2] for prompt in sentences(mini(), start)]
    means = [np.concatenate([o[i][:, 1:] for o in probes], 1).mean(1) for i in range(layers)]
    ids = [start, *tokenizer.encode(text.words)]
    (token,) = tokenizer.encode(watch)
    chance, pattern, _ = run(ids)
    chance_after, pattern_after, _ = run(ids, means)
    return (chance[token], chance_after[token]), (pattern, pattern_after)


def induction_score(pattern, texts):
    """The induction score of one head on a text, cell by cell."""
    rows = []
    for q in range(len(texts)):
        after = {j + 1 for j in range(q) if texts[j] == texts[q]}
        keys = [k for k in after if k < q - 1 and texts[k] != texts[q]]
        rows += [pattern[q, keys].sum()] if keys else []
    return np.mean(rows)


def what_if(remove, measure="probability", text=CAT, **fields):
    return Question("?", "what if removed", text, measure, remove=remove, **fields)


@pytest.mark.parametrize("remove", [("L0.H0",), ("L2.H4",), ("L5.H4", "top:previous_token")])
def test_what_happens_to_the_next_token_without_a_head(remove):
    heads = [Head(0, 0) if ":" in name else Head.parse(name) for name in remove]
    (before, after), _ = by_hand(CAT, heads, " mat")
    prepared = prepare(what_if(remove, watch="mat"), lab())
    assert prepared.key.score == pytest.approx(after / before, rel=1e-3)
    assert prepared.key.accepted[0] == size_of(after / before).name
    assert prepared.measured["before"][0] == pytest.approx(before, rel=1e-3)
    assert prepared.measured["after"][0] == pytest.approx(after, rel=1e-3)
    assert (
        prepared.key.figures["after"] == f"{after:.1%}" and prepared.key.figures["token"] == "“mat”"
    )
    assert prepared.heads == tuple(sorted(heads)) and prepared.hidden == ()


def test_what_happens_to_a_score_without_a_head():
    _, patterns_ = by_hand(CAT, [Head(0, 0)], " mat")
    texts = patterns(CAT)[1]
    before, after = (
        np.array([[induction_score(head, texts) for head in layer] for layer in pattern])
        for pattern in patterns_
    )
    best = np.unravel_index(before.argmax(), before.shape)
    prepared = prepare(what_if(("top:previous_token",), "score", behaviour="induction"), lab())
    assert prepared.key.figures["watched"] == str(Head(*map(int, best)))
    assert prepared.key.score == pytest.approx(after[best] / before[best], abs=1e-3)
    assert prepared.key.accepted == ("falls to less than half",)
    own = prepare(what_if(("here:induction",), "score", behaviour="induction"), lab())
    assert own.key.score == 1 and own.key.accepted == ("hardly changes",)


def effect_lab(before, after):
    """mini, where removing any head turns one probability into another."""
    found = SimpleNamespace(
        logprobs_before=np.log([before]),
        logprobs_after=np.log([after]),
        logprob_beyond_control=np.array([np.nan]),
        watched_texts=(" mat",),
    )
    return EffectContext(mini(), lab().start_token, found=found)


@dataclass(frozen=True, eq=False)
class EffectContext(MeasurementContext):
    """A model in which removing any head does one thing."""

    found: object = None

    def removal(self, text, heads, token):
        return self.found


@pytest.mark.parametrize(
    ("after", "accepted"),
    [
        (0.30, ["falls, to no less than half"]),
        (0.17, ["falls to less than half"]),
        (0.22, ["falls, to no less than half", "falls to less than half"]),
        (0.35, ["falls, to no less than half", "hardly changes"]),
        (0.41, ["hardly changes"]),
        (0.43, ["hardly changes", "rises"]),
        (0.45, ["rises", "hardly changes"]),
        (0.50, ["rises"]),
        (0.0, ["falls to less than half"]),
    ],
)
def test_effects_near_a_limit_are_right_on_both_sides(after, accepted):
    with np.errstate(divide="ignore"):
        key = prepare(what_if(("L0.H0",)), effect_lab(0.4, after)).key
    assert list(key.accepted) == accepted and key.graded
    assert ("near its limit" in key.text) == (len(accepted) > 1)
    assert key.figures["beyond"] == "no share"


def test_what_has_too_little_to_lose_is_not_asked():
    prepared = prepare(what_if(("L0.H0",), watch=" suitcase"), lab())
    assert not prepared.posable and not prepared.options
    assert "'suitcase' is only 0.0" in prepared.why and "to begin with" in prepared.why
    assert prepare(what_if(("L0.H0",)), effect_lab(0.011, 0.0001)).posable
    score = prepare(what_if(("L0.H0",), "score", GARDEN, behaviour="induction"), lab())
    assert not score.posable and "repeats itself" in score.why
    low = prepare(what_if(("L0.H0",), "score", CAT, behaviour="duplicate_token"), lab())
    assert low.posable or "to begin with" in low.why


def test_a_question_about_removal_says_what_it_lacks():
    words = prepare(what_if(("L0.H0",), watch="trophysuitcase"), lab())
    assert not words.posable and "tokens for mini" in words.why
    asked = what_if(("L99.H0",), generic=what_if(("top:induction",)))
    prepared = prepare(replace(asked, ask="{removed}: {token}, {before}"), lab())
    assert "mini has no head L99.H0" in prepared.why and prepared.askable.posable
    assert prepared.ask == "L99.H0: the token expected most, (not measured)"
    fixed = MeasurementContext.of(tiny_model(configurations()["gpt_neo"]))
    assert "gpt_neo can be read but not changed" in prepare(what_if(("L0.H0",)), fixed).why


# -- what a model lacks


def test_a_head_that_the_model_lacks_gets_the_generic_form():
    generic = Question("Which has {head}?", "which shape", CAT, "shape", head="top:first_token")
    asked = Question("Which has {head}?", "which shape", CAT, "shape", head="L11.H7")
    small = _small_lab()
    prepared = prepare(replace(asked, generic=generic), small)
    assert not prepared.posable and prepared.why.startswith("tiny has no head L11.H7")
    assert prepared.ask == "Which has L11.H7?" and prepared.key is None
    assert prepared.askable == prepared.generic and prepared.generic.posable
    alone = prepare(asked, small)
    assert alone.askable == alone and alone.generic is None
    layer = prepare(Question("?", "how many heads", CAT, "shape", shape="far", layer=7), small)
    assert "tiny has no layer 7" in layer.why


def test_a_text_that_the_model_cannot_read_is_said():
    long = Text("long", "one two three " * 200)
    prepared = prepare(Question("?", "which head", long, "shape", shape="far"), lab())
    assert not prepared.posable and "reads at most" in prepared.why


def test_reading_twice_changes_nothing():
    question = first(layer="last")
    before = lab().reading(TROPHY).patterns.copy()
    assert prepare(question, lab()) == prepare(question, lab())
    np.testing.assert_array_equal(before, lab().reading(TROPHY).patterns)


def test_an_answer_must_be_offered():
    prepared = prepare(first(layer="first"), lab())
    assert prepared.option("L0.H3").text == "L0.H3"
    with pytest.raises(ValueError, match="not one of the answers offered"):
        prepared.option("L1.H3")


# -- the sheets that ship

STEPS = [(sheet, i) for sheet in sheets().sheets.values() for i in range(len(sheet.steps))]


@pytest.mark.parametrize(("sheet", "index"), STEPS, ids=lambda x: getattr(x, "name", str(x)))
@pytest.mark.parametrize("start_token", ["model", None], ids=["start token", "none"])
def test_every_shipped_question_can_be_asked_on_mini(sheet, index, start_token):
    here = lab() if start_token == "model" else _lab_without_start_token()
    if sheet.needs_second:
        here = _beside_a_weaker_one(here)
    step = sheet.steps[index]
    for question in (step.question, step.transfer):
        prepared = prepare(question, here)
        assert prepared.posable, prepared.why
        assert placeholders(prepared.ask) == []
        assert prepared.key.graded or prepared.key.why
        assert prepared.key.accepted[0] in {option.value for option in prepared.options}
        if question.generic is not None:
            assert placeholders(prepare(question.generic, here).ask) == []
    prepared = prepare(step.question, here)
    for words in (step.explanation, *step.hints):
        assert placeholders(explain(words, prepared, here)) == []
        assert "not measured" not in explain(words, prepared, here)


@cache
def _beside_a_weaker_one(one):
    return one.beside(weakened(one.profile(), ("retrieval", "induction", "first_token")))


@cache
def _lab_without_start_token():
    return MeasurementContext.of(mini(), None)


def test_with_the_start_token_nearly_all_are_graded_on_mini():
    two = _beside_a_weaker_one(lab())
    keys = [
        prepare(q, two if s.needs_second else lab()).key
        for s, i in STEPS
        for q in (s.steps[i].question, s.steps[i].transfer)
    ]
    assert sum(key.graded for key in keys) >= 0.9 * len(keys)


def test_every_kind_of_question_is_used_by_a_shipped_sheet():
    kinds = {q.kind for s, i in STEPS for q in (s.steps[i].question, s.steps[i].transfer)}
    assert kinds == {
        *("which head", "which layer", "how many heads", "which of two heads", "which shape"),
        *("which token", "claim", "which model", "what if removed", "which sender"),
        *("what is left", "which key", "whose passages"),
    }


def test_a_model_of_another_shape_is_asked_something_or_told_why():
    small = _small_lab()
    for sheet, index in STEPS:
        prepared = prepare(sheet.steps[index].question, small)
        assert prepared.posable or prepared.why
        if "has no head" in prepared.why:
            assert prepared.generic is not None


@cache
def _small_lab():
    small = MeasurementContext.of(tiny_model())
    small._kept["profile"] = profile_model(tiny_model(), variants=False, controls=0, cache=False)
    return small


# -- two models


def two_models():
    """mini, and mini whose heads all lost up to .4 of their induction score."""
    return _beside_a_weaker_one(lab())


def test_what_a_head_lost_is_the_difference_of_both_scores():
    here = two_models()
    one, two = here.profile(), here.second_profile()
    lost = one.score["induction"] - two.score["induction"]
    question = Question("?", "how many heads", CAT, "lost", behaviour="induction", layer=3)
    prepared = prepare(question, here)
    assert int(prepared.key.accepted[0]) == (lost[3] >= 0.05).sum() > 0
    gained = prepare(replace(question, measure="gained"), here)
    assert gained.key.accepted == ("0",)
    head = Question("?", CLAIM, CAT, "lost", behaviour="induction", head="L3.H5", at_least=0.1)
    assert prepare(head, here).key.accepted == (SUPPORTED,)
    assert prepare(head, here).key.score == pytest.approx(lost[3, 5])


@pytest.mark.parametrize("by", ["count", "share", "strongest"])
def test_which_model_compares_numbers_shares_and_strengths(by):
    here = two_models()
    key = prepare(
        Question("?", "which model", CAT, "profile", behaviour="induction", by=by), here
    ).key
    one, two = here.profile(), here.second_profile()
    passed = [int((p.excess["induction"] >= 0.6).sum()) for p in (one, two)]
    expected = {
        "count": [str(n) for n in passed],
        "share": [f"{n / 144:.2f}" for n in passed],
        "strongest": [f"{p.score['induction'].max():.2f}" for p in (one, two)],
    }[by]
    assert key.accepted == ("open",) and key.graded
    assert [key.figures["a_score"], key.figures["b_score"]] == expected
    assert (key.figures["a"], key.figures["b"]) == ("mini", "mini-weak")


def test_the_same_models_are_not_told_apart():
    here = lab().beside(lab().profile())
    question = Question("?", "which model", CAT, "profile", behaviour="induction", by="count")
    key = prepare(question, here).key
    assert not key.graded and "too close" in key.why
    assert key.figures["a"] == "mini (open)" and key.figures["b"] == "mini (second)"


def test_without_a_second_model_or_kin_the_question_says_why():
    question = Question("?", "which head", CAT, "lost", behaviour="induction")
    assert "choose a second one" in prepare(question, lab()).why
    assert "12 layers of 12 heads" in prepare(question, lab().beside(_small_lab().profile())).why


def test_a_record_tells_pairs_of_models_apart():
    one, two = Setting.of(lab()), Setting.of(two_models())
    assert one.content_hash == two.content_hash == mini().content_hash and one.second_hash is None
    assert two.second_hash == two_models().second.content_hash and two.second_start == 0


# -- where attention goes, and who tells a head where to look


def test_budget_explained_and_reach_are_those_of_the_profile():
    looks = profile_model(mini()).looks
    for measure, figure, more in (
        ("budget", "first", {"share": "first"}),
        ("explained", "explained", {}),
        ("reach", "reach", {}),
    ):
        key = key_of("which layer", measure, **more)
        strongest = np.nanmax(looks.value[figure], axis=1)
        assert key.accepted[0] == str(np.nanargmax(strongest))
        assert key.score == pytest.approx(strongest.max())
    claim = key_of(CLAIM, "reach", head="top:previous_token", at_most=2)
    assert claim.accepted == (SUPPORTED,)
    far = key_of("how many heads", "reach", layer=0)
    assert far.accepted[0] == str((looks.value["reach"][0] >= 4).sum())


def test_a_profile_without_looks_cannot_tell():
    profile = replace(profile_model(mini()), looks=None)
    bare = MeasurementContext.of(mini())
    bare._kept["profile"] = profile
    found = prepare(Question("?", "which layer", TROPHY, "reach"), bare)
    assert not found.posable and "measure it again" in found.why


def test_which_sender_is_the_strongest_path():
    asked = {"head": "L3.H7", "from_word": "the", "to_word": "mat", "change": "the"}
    found = prepare(Question("?", "which sender", CAT, "told", becomes="dog", **asked), lab())
    edges = strongest_senders(
        mini(), CAT.words, "The cat sat on dog mat. The cat sat on the", "L3.H7", query=12, key=6
    )
    assert found.key.accepted == ("L0.H0",) and found.key.graded
    assert found.key.score == pytest.approx(abs(edges[0].change))
    assert 3 <= len(found.options) <= 6 and "previous token" in found.option("L0.H0").text
    first = prepare(
        Question("?", "which sender", CAT, "told", becomes="dog", **{**asked, "head": "L0.H1"}),
        lab(),
    )
    assert not first.posable and "first layer" in first.why
    same = prepare(
        Question("?", "which sender", CAT, "told", becomes="his", **{**asked, "head": "L3.H5"}),
        lab(),
    )
    assert not same.posable and "random messages" in same.why


def test_what_is_left_is_the_faithfulness_of_the_heads():
    dog = Text("d", "A small dog ran over the bridge. A small dog ran over the")
    asked = {"head": "L3.H5", "from_word": "dog", "to_word": "ran", "change": "dog"}
    heads = ("top:previous_token", "L3.H5")
    question = Question("?", "what is left", dog, "alone", becomes="cat", keep=heads, **asked)
    found = Circuit(["L0.H0", "L3.H5"]).faithfulness(
        mini(), dog.words, head="L3.H5", query=11, key=4, mode="text",
        reference=dog.words.replace("dog", "cat", 1),
    )  # fmt: skip
    key = prepare(question, lab()).key
    assert key.score == pytest.approx(found.score) and key.graded
    assert key.accepted[0] == ("nearly all of it" if found.score >= 2 / 3 else "part of it")
    rest = prepare(replace(question, measure="without"), lab()).key
    assert rest.score == pytest.approx(found.left) and rest.accepted == ("hardly anything",)
    same = prepare(replace(question, head="L0.H1", keep=("L0.H1",)), lab())
    assert not same.posable and "hardly move" in same.why


def test_a_passage_asks_for_the_key_with_the_most_attention():
    rows = [
        row
        for row in kept_corpus(mini(), passages()).of("L6.H7")
        if row.begin <= row.keys[0] < row.query and row.shares[0] >= 0.25
    ]
    question = Question("?", "which key", CAT, "corpus", head="L6.H7", passage=5)
    found = prepare(question, lab())
    assert found.passages == tuple(rows[2:5]) and found.covered == 2
    assert found.key.accepted[0] == str(rows[4].keys[0])
    assert found.key.score == pytest.approx(rows[4].shares[0])
    values = [int(option.value) for option in found.options]
    assert values == sorted(values) and all(rows[4].begin <= v < rows[4].query for v in values)
    late = prepare(replace(question, passage=20), lab())
    assert not late.options and "passages of the corpus show clearly" in late.why
    small = prepare(question, _small_lab())
    assert not small.options


def test_passages_belong_to_one_of_four_heads():
    question = Question("?", "whose passages", CAT, "corpus", head="top:previous_token")
    found = prepare(question, lab())
    assert found.key.accepted == ("L0.H0",) and len(found.options) == 4
    assert "previous token" in found.option("L0.H0").text and found.covered is None


@pytest.mark.parametrize(
    ("parts", "cells"),
    [
        ({"back": (3,)}, lambda q, k, words: k == q - 3),
        ({"after_same": True}, lambda q, k, words: 1 < k < q and words[k - 1] == words[q]),
        (
            {"words": ("cat",), "from_words": ("sat",)},
            lambda q, k, words: k < q and (words[q], words[k]) == (" sat", " cat"),
        ),
    ],
)
def test_a_rule_asks_for_the_cells_that_it_says(parts, cells):
    pattern, words = patterns(CAT)
    asked = np.array([[cells(q, k, words) for k in range(len(words))] for q in range(len(words))])
    rows = asked.any(-1)
    value = np.where(asked, pattern, 0).sum(-1)[..., rows].mean(-1)
    best = Head(*map(int, np.unravel_index(np.argmax(value), value.shape)))
    key = key_of("which head", "rule", CAT, rule=Detector("rule", **parts))
    assert str(best) in key.accepted and key.score == pytest.approx(value.max(), abs=1e-5)


def test_a_rule_without_a_place_in_the_text_cannot_be_told():
    rule = Detector("rule", words=("zebra",))
    prepared = prepare(Question("?", "which head", CAT, "rule", rule=rule), lab())
    assert not prepared.options and "no such place" in prepared.why
