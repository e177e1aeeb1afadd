"""What the grid draws: quantised, pooled, and through the sink lens."""

import numpy as np
import pytest

from headlab import load_model, read_text
from headlab.measuring.pictures import Pictures, draw_pictures, pooled, quantised, without_first

TEXT = "The cat sat on the mat. The cat sat on the"


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


def squares(pictures: Pictures) -> np.ndarray:
    """The cells as patterns [layer, head, query, key]."""
    rows, columns = np.tril_indices(pictures.side)
    square = np.zeros((*pictures.cells.shape[:2], pictures.side, pictures.side))
    square[..., rows, columns] = pictures.cells / 255
    return square


def test_pictures_are_the_patterns_within_their_quantisation(model):
    reading = read_text(model, TEXT)
    pictures = draw_pictures(model, TEXT)
    assert (pictures.side, pictures.pool, pictures.left) == (len(reading.tokens), 1, None)
    assert np.abs(squares(pictures) - reading.patterns).max() <= 0.5 / 255 + 1e-6


def test_a_row_without_its_first_token_by_hand():
    pattern = np.array(
        [[1, 0, 0, 0], [0.75, 0.25, 0, 0], [0.5, 0.1, 0.4, 0], [0.98, 0.01, 0.01, 0]]
    )
    before = pattern.copy()
    rest, left = without_first(pattern)
    assert np.isnan(rest[0]).all() and left == pytest.approx([0, 0.25, 0.5, 0.02])
    assert rest[1:] == pytest.approx(np.array([[0, 1, 0, 0], [0, 0.2, 0.8, 0], [0, 0.5, 0.5, 0]]))
    assert (pattern == before).all()


def test_the_lens_in_pictures_is_the_lens_on_the_patterns(model):
    rest, left = without_first(read_text(model, TEXT).patterns)
    pictures = draw_pictures(model, TEXT, lens=True)
    assert np.abs(squares(pictures) - np.nan_to_num(rest)).max() <= 0.5 / 255 + 1e-6
    assert pictures.left == pytest.approx(left, abs=1e-6)
    assert pictures.mean_left == pytest.approx(left[..., 1:].mean(-1), abs=1e-6)


def test_pooling_keeps_the_largest_value_of_each_block():
    pattern = np.arange(25.0).reshape(5, 5)
    assert (pooled(pattern, 2) == [[6, 8, 9], [16, 18, 19], [21, 23, 24]]).all()
    assert pooled(pattern, 1) is pattern


def test_a_long_text_is_pooled_and_says_so(model):
    pictures = draw_pictures(model, TEXT, largest_side=5)
    exact = read_text(model, TEXT).patterns
    n = exact.shape[-1]
    assert pictures.pool == -(-n // 5) and pictures.side <= 5
    assert np.abs(squares(pictures) - pooled(exact, pictures.pool)).max() <= 0.5 / 255 + 1e-6
    again = draw_pictures(model, TEXT).smaller(5)
    assert (again.cells == pictures.cells).all() and again.pool == pictures.pool


def test_a_long_text_is_pooled_through_the_lens_as_its_whole_pattern_would_be(model):
    rest, left = without_first(read_text(model, TEXT).patterns)
    for side in (5, 7):
        pictures = draw_pictures(model, TEXT, lens=True, largest_side=side)
        expected = pooled(np.nan_to_num(rest), pictures.pool)
        assert np.abs(squares(pictures) - expected).max() <= 0.5 / 255 + 1e-6
        assert pictures.left == pytest.approx(left, abs=1e-6)


def test_quantising_never_leaves_its_range():
    assert quantised(np.array([-1e-9, 0, 0.5, 1, 1 + 1e-6])).tolist() == [0, 0, 128, 255, 255]
