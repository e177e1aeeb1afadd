"""Charts of the exercises show what they are given, and markup as plain text."""

import numpy as np

from headlab.figures import answers_figure, calibration_figure, prediction_figure, removal_figure


def test_calibration_leaves_sureness_without_answers_empty():
    figure = calibration_figure([1, 2, 3, 4, 5], [0, 4, 0, 2, 1], [0, 1, 0, 2, 0], "Sure <b>x</b>")
    (bars,) = figure.data
    np.testing.assert_array_equal(bars.y, np.float32([np.nan, 0.25, np.nan, 1, 0]))
    assert bars.text == ("", "1 of 4", "", "2 of 2", "0 of 1")
    assert figure.layout.title.text == "Sure &lt;b&gt;x&lt;/b&gt;"


def test_answers_are_counted_first_and_revised():
    rounds = {"first": [3, 1], "again": [0, 4]}
    figure = answers_figure(["L0.H1", "<i>"], rounds, [False, True], "Q")
    first, revised = figure.data
    assert list(first.x) == [3, 1] and list(revised.x) == [0, 4]
    assert list(first.y) == ["L0.H1", "&lt;i&gt; ✓"]
    assert figure.layout.xaxis.dtick == 1  # learners are whole, however few
    many = answers_figure(["a"], {"first": [30], "again": [1]}, [True], "Q")
    assert many.layout.xaxis.dtick == 4


def test_the_prediction_is_marked_over_the_measurement():
    figure = prediction_figure(
        ["L0.H0", "L0.H1"], [0.2, 0.9], ([0.1, 0.8], [0.4, 0.95]), "L0.H0", "Q", "mini"
    )
    (bars,) = figure.data
    assert bars.text == ("your prediction", "")
    np.testing.assert_allclose(bars.error_y.array, [0.2, 0.05], atol=1e-6)
    np.testing.assert_allclose(bars.error_y.arrayminus, [0.1, 0.1], atol=1e-6)
    assert figure.layout.title.subtitle.text == "mini"
    (exact,) = prediction_figure(["a", "b"], [0.2, 0.9], None, "a", "Q", "mini").data
    assert exact.error_y.array is None  # attention on one text is not sampled
    assert exact.textposition == "outside"  # or a short bar hides who predicted it


def test_the_prediction_frames_the_range_that_it_meant():
    figure = removal_figure(0.4, 0.1, (0.44, np.inf), "probability of <b>", "Without L0.H0", "mini")
    bars, frame = figure.data
    np.testing.assert_allclose(bars.y, [0.4, 0.1], atol=1e-6)
    assert (min(frame.y), max(frame.y)) == (0.44, 1.0)
    assert min(frame.x) < bars.x[1] < max(frame.x) and min(frame.x) > bars.x[0]
    sure = removal_figure(0.99, 0.9, (1.089, np.inf), "probability", "Without L0.H0", "mini")
    assert set(sure.data[1].y) == {1.0}
    assert figure.layout.xaxis.ticktext == ("before", "after")
    assert figure.layout.yaxis.title.text == "probability of &lt;b&gt;"
