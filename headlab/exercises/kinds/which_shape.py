"""Which shape the picture of one head has."""

from headlab.exercises.choosing import key_among
from headlab.exercises.context import MeasurementContext
from headlab.exercises.finding import find_head
from headlab.exercises.format import SHAPE, Question
from headlab.exercises.kinds.base import Keys, Kind
from headlab.exercises.measures import possible_shapes
from headlab.exercises.prepared import Option, PreparedQuestion
from headlab.exercises.wording import number
from headlab.languages import N_
from headlab.languages import gettext as _
from headlab.measuring.reading import SHAPES

# the shapes of hints, for those who translate
SHAPE_WORDS = (
    *(N_("first token"), N_("current token"), N_("previous token"), N_("local"), N_("far")),
    *(N_("diffuse"), N_("mixed")),
)


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The shape of one head's picture on a text."""
    head = find_head(str(question.head), question.text, lab)
    hint = lab.reading(question.text).hint(head.layer, head.head)
    near = possible_shapes(hint)
    options = tuple(Option(name, _(name)) for name in SHAPE_WORDS)
    figure = hint.entropy if hint.shape == "diffuse" else max(hint.shares.values())
    shares = ", ".join(f"{_(SHAPES[key])} {share:.0%}" for key, share in hint.shares.items())
    even = _("evenness {share:.2f}")
    key = key_among(
        options,
        [Option(name, _(name)) for name in near],
        f"{_(hint.shape)} ({shares}; {even.format(share=hint.entropy)})",
        score=float(figure),
        figures={"score": number(figure)},
    )
    return PreparedQuestion(
        question,
        options=options,
        key=key,
        hidden=(head,),
        heads=(head,),
        measured={SHAPES[k]: (float(s), float(s), float(s)) for k, s in hint.shares.items()},
    )


KIND = Kind(
    name="which shape",
    asks="the shape of a head's picture",
    measures=(SHAPE,),
    keys_by={SHAPE: Keys(needs=frozenset({"head"}))},
    prepare=prepare,
)
