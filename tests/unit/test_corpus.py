"""A head over a corpus: against reading block by block, kept, shown as plain pages."""

from html.parser import HTMLParser

import numpy as np
import pytest

from headlab import HeadlabError, cli, load_model, profile_model
from headlab.behaviours import behaviours
from headlab.measuring import budget
from headlab.models.attention import Tap, run
from headlab.models.output_norms import output_norms
from headlab.profiles import corpus_pass
from headlab.profiles.corpus import CorpusLooks, kept_corpus, passages
from headlab.profiles.corpus_pass import corpus_looks
from headlab.report.dashboards import write_dashboards
from tests.models import gpt2_config, save_model

WORDS = "The cat sat on the mat and the dog ran to the door. "
TEXTS = [
    WORDS * 2,
    "A <b>bold</b> & dangerous <script>text</script> of twelve words or more. " * 3,
] + [
    f"{name} lives in Oslo, and {name} likes the red house by the sea very much. " * (2 + at)
    for at, name in enumerate(("Mary", "Tom", "Anna", "Paul", "Kate", "Peter"))
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(save_model(tmp_path_factory.mktemp("model"), gpt2_config()))


@pytest.fixture(scope="module")
def profile(model):
    return profile_model(model, variants=False, controls=0, cache=False)


@pytest.fixture(scope="module")
def looks(model, profile):
    return corpus_looks(model, TEXTS, profile, cache=False)


def test_rows_are_what_reading_their_block_gives(model, looks):
    blocks, _ = corpus_pass._blocks(model, TEXTS, model.start_token)
    for head in ((0, 1), (2, 3)):
        for row in looks.of(head):
            seen = {}

            def read(layer, pattern, value, seen=seen):
                seen[layer] = pattern[0].clone(), output_norms(model.network, layer, pattern, value)

            run(model.network, model.as_batch([blocks[row.block].tokens]), Tap(read=read))
            pattern, norms = seen[head[0]]
            weights = pattern[head[1], row.query].numpy()
            assert row.strength == pytest.approx(float(norms[0, head[1], row.query]), rel=2e-3)
            assert row.first == pytest.approx(weights[0], abs=1e-5)
            np.testing.assert_allclose(row.shares, weights[list(row.keys)], atol=1e-5)
            assert list(row.shares) == sorted(row.shares, reverse=True) and 0 not in row.keys
            assert row.texts[row.query - row.begin] == blocks[row.block].token_texts[row.query]


def written(model, block):
    """What every head writes in the rows of a block read alone, [layer, head, query]."""
    norms = []

    def read(layer, pattern, value):
        norms.append(output_norms(model.network, layer, pattern, value)[0].numpy())

    run(model.network, model.as_batch([block.tokens]), Tap(read=read))
    return np.stack(norms)[:, :, corpus_pass.FIRST_ROW :]


def test_rows_at_deciles_lie_near_them_among_all_rows(model, looks):
    blocks, _ = corpus_pass._blocks(model, TEXTS, model.start_token)
    norms = np.concatenate([written(model, block)[2, 1] for block in blocks])
    for row in looks.of("L2.H1"):
        if row.kind != "strongest":
            rank = 100 * (norms < row.strength - 1e-6).mean()
            assert abs(rank - int(row.kind.removesuffix(" %"))) < 6
    assert len({(row.block, row.query) for row in looks.of("L2.H1")}) == len(looks.of("L2.H1"))


def test_a_large_corpus_keeps_as_many_rows(model, profile, looks, monkeypatch):
    monkeypatch.setattr(corpus_pass, "DRAWN", 40)
    monkeypatch.setattr(corpus_pass, "DRAWN_FROM", 3)
    few = corpus_looks(model, TEXTS, profile, cache=False)
    strongest = [row for row in few.of("L1.H0") if row.kind == "strongest"]
    assert strongest == [row for row in looks.of("L1.H0") if row.kind == "strongest"]
    others = [row for row in few.of("L1.H0") if row.kind != "strongest"]
    assert {row.block for row in others} <= set(range(len(TEXTS))) and len(others) <= 15
    np.testing.assert_allclose(few.value["first"], looks.value["first"], atol=1e-6)


def test_the_strongest_rows_are_the_strongest_of_their_blocks(model, looks):
    blocks, _ = corpus_pass._blocks(model, TEXTS, model.start_token)
    best = sorted(
        (max(written(model, block)[1, 2]) for block in blocks),
        reverse=True,
    )
    strongest = [row for row in looks.of("L1.H2") if row.kind == "strongest"]
    np.testing.assert_allclose(
        [row.strength for row in strongest], best[: len(strongest)], rtol=1e-5
    )
    assert len({row.block for row in strongest}) == len(strongest) == min(10, len(blocks))


def test_the_budget_is_that_of_the_sums(model, profile, looks):
    blocks, of_passage = corpus_pass._blocks(model, TEXTS, model.start_token)
    assert len(set(of_passage)) == len(TEXTS) == looks.n_passages
    total = sum(looks.value[share] for share in budget.SHARES)
    np.testing.assert_allclose(total, 1, atol=1e-4)
    sums = budget.Sums(budget.Places(blocks), model.n_layers, model.n_heads, model.network)
    for block in blocks:  # one by one
        look = sums.of_batch([block])

        def read(*seen, look=look):
            look(*seen)

        run(model.network, model.as_batch([block.tokens]), Tap(read=read))
    shows = {n: profile.value(n) >= behaviours()[n].shown_from for n in profile.behaviours}
    for name, value in sums.figures(shows).items():
        np.testing.assert_allclose(looks.value[name], value, atol=1e-6)
    assert (looks.low["first"] <= looks.value["first"] + 1e-6).all()


def test_it_is_kept_and_comes_back(model, profile, looks, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path))
    assert kept_corpus(model, TEXTS) is None
    made = corpus_looks(model, TEXTS, profile)
    kept = kept_corpus(model, TEXTS)
    assert kept.of("2.1")[0].texts == made.of((2, 1))[0].texts == looks.of("L2.H1")[0].texts
    assert (
        kept_corpus(model, TEXTS[:3]) is None
        and kept_corpus(model, TEXTS, start_token=None) is None
    )
    looks.save(tmp_path / "looks.json")
    again = CorpusLooks.load(tmp_path / "looks.json")
    assert again.to_dict() == looks.to_dict()
    (tmp_path / "looks.json").write_text("{}")
    with pytest.raises(HeadlabError, match="another version"):
        CorpusLooks.load(tmp_path / "looks.json")


def test_passages_of_a_file_a_folder_and_ours(tmp_path):
    ours = passages()
    assert len(ours) >= 120 and all(50 <= len(text.split()) <= 250 for text in ours)
    (tmp_path / "a.txt").write_bytes("One.\r\n\r\nTwo.\r\n".encode("utf-16"))
    (tmp_path / "b.txt").write_text("Three.\n---\nFour.\n\nStill four.")
    assert passages(tmp_path) == ["One.", "Two.", "Three.", "Four.\n\nStill four."]
    (tmp_path / "empty").mkdir()
    for place, words in (
        (tmp_path / "empty", "no .txt files"),
        (tmp_path / "x.txt", "cannot be read"),
    ):
        with pytest.raises(HeadlabError, match=words):
            passages(place)


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)


def test_pages_of_all_heads_hold_nothing_foreign(looks, profile, tmp_path):
    assert write_dashboards(looks, profile, tmp_path) == 13
    for page in tmp_path.glob("*.html"):
        parser = _Tags()
        parser.feed(page.read_text(encoding="utf-8"))
        assert not parser.tags & {"script", "img", "iframe"}
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert all(f'href="L{layer}.H{head}.html"' in index for layer in range(3) for head in range(4))


def test_the_command(capsys, tmp_path):
    (tmp_path / "mine.txt").write_text("\n\n".join([WORDS * 3] * 4))
    words = ["corpus", "--corpus", str(tmp_path / "mine.txt"), "--out", str(tmp_path / "o.json.gz")]
    assert cli.main(words) == 0
    assert "of 4 passages" in capsys.readouterr().out
    assert CorpusLooks.load(tmp_path / "o.json.gz").n_passages == 4


def test_texts_too_short_get_a_sentence(model, profile):
    with pytest.raises(HeadlabError, match="No passage"):
        corpus_looks(model, ["Too short."], profile, cache=False)
