"""Which shape the picture of one head has."""

from headlab.exercises.choosing import key_among
from headlab.exercises.context import MeasurementContext
from headlab.exercises.finding import find_head
from headlab.exercises.format import SHAPE, Question
from headlab.exercises.kinds.base import Keys, Kind
from headlab.exercises.measures import possible_shapes
from headlab.exercises.prepared import Option, PreparedQuestion
from headlab.exercises.wording import number
from headlab.measuring.reading import SHAPES


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The shape of one head's picture on a text."""
    head = find_head(str(question.head), question.text, lab)
    hint = lab.reading(question.text).hint(head.layer, head.head)
    near = possible_shapes(hint)
    options = tuple(Option(name, name) for name in (*SHAPES.values(), "diffuse", "mixed"))
    figure = hint.entropy if hint.shape == "diffuse" else max(hint.shares.values())
    shares = ", ".join(f"{SHAPES[key]} {share:.0%}" for key, share in hint.shares.items())
    key = key_among(
        options,
        [Option(name, name) for name in near],
        f"{hint.shape} ({shares}; evenness {hint.entropy:.2f})",
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
