"""The usual figure of a result in one call, for notebooks."""

import plotly.graph_objects as go

from headlab.errors import HeadlabError
from headlab.figures.layout import model_policy
from headlab.figures.patterns import pattern_figure
from headlab.figures.profiles import behaviour_map_figure
from headlab.heads import Head, HeadName
from headlab.measuring.reading import Reading
from headlab.profiles.profile import Profile


def plot(result: Reading | Profile, what: HeadName) -> go.Figure:
    """A head's attention on a text, query by key, or every head's score on one behaviour.

    Parameters
    ----------
    result : a reading, or a profile.
    what : of a reading a head ("L3.H5"), of a profile a behaviour ("induction").

    Raises
    ------
    HeadlabError : a head or behaviour that it does not hold.

    >>> from headlab import load_model, plot, read_text
    >>> reading = read_text(load_model("mini"), "The cat sat. The cat")
    >>> plot(reading, "L3.H5").data[0].type
    'heatmap'
    """
    if isinstance(result, Reading):
        head = Head.of(what)
        pattern = result.pattern(*head)
        title = f"{head} · {result.hint(*head)}"
        return pattern_figure(pattern, result.token_texts, title, model_policy(result))
    if what not in result.score:
        known = ", ".join(result.score)
        raise HeadlabError(f"This profile holds no behaviour {what!r}: choose one of {known}.")
    return behaviour_map_figure(result, str(what))
