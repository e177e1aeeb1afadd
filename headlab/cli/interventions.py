"""``ablate``, ``patch``, ``attribute``, ``why`` and ``what-if``: what heads cause."""

import argparse
from typing import Any

from headlab.cli.codes import DONE
from headlab.cli.shared import (
    add_json,
    add_model,
    add_special_tokens,
    add_start_token,
    add_text,
    facts_line,
    load_for_text,
    positive,
    print_json,
    progress_bar,
    show,
    start_policy,
)
from headlab.errors import HeadlabError
from headlab.interventions import (
    DIRECTIONS,
    METRICS,
    MODES,
    WHATS,
    Intervention,
    ablate,
    ablation_sweep,
    attribute,
    patch,
    replace_word,
    why_word,
)
from headlab.models.loaded import LoadedModel

_ONE_TOKEN = 'one token, mostly with a space in front, such as " Mary"'


def add_ablate(parser: argparse.ArgumentParser) -> None:
    """What `ablate` takes."""
    parser.description = (
        "Run a text with and without some heads. A loss is minus the log-probability "
        "of a token that stands in the text, in nats; the control is the same for other heads of "
        "the same layer, drawn at random."
    )
    parser.epilog = (
        'example: python -m headlab ablate --head L5.H10 --text "The cat sat on the mat. '
        'The cat sat on the"'
    )
    add_model(parser)
    add_text(parser)
    add_start_token(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--head", nargs="+", action="extend", help="remove these, such as L5.H10")
    which.add_argument("--layer", nargs="+", type=int, metavar="N", help="remove whole layers")
    which.add_argument("--every", action="store_true", help="remove every head, each alone")
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="zero",
        help="what stands in for a head's output: zero (the default), its mean over the "
        "reference, or what it wrote on another text, the reference",
    )
    parser.add_argument(
        "--reference",
        nargs="+",
        metavar="TEXT",
        help="for a mean (default: the sentences of the probes), or the other text",
    )
    parser.add_argument(
        "--watch", nargs="+", metavar="TOKEN", help=f"tokens to follow: {_ONE_TOKEN}"
    )
    parser.add_argument("--top", type=positive, default=10, metavar="K", help="how many (10)")
    parser.add_argument("--draws", type=positive, default=20, help="most draws of control (20)")
    add_json(parser)
    parser.set_defaults(run=_ablate)


def add_patch(parser: argparse.ArgumentParser) -> None:
    """What `patch` takes."""
    parser.description = (
        "Put what each head did on the clean text into the run of the corrupt one, and "
        "see how much of the way the answer moves: 0 not at all, 1 all of it."
    )
    parser.epilog = (
        'example: python -m headlab patch --clean "Mary met John and John said to" '
        '--corrupt "Mary met John and Mary said to" --answer " Mary" --wrong " John"'
    )
    add_model(parser)
    parser.add_argument("--clean", required=True, metavar="TEXT", help="the answer is right here")
    parser.add_argument("--corrupt", required=True, metavar="TEXT", help="as many tokens")
    add_special_tokens(parser)
    parser.add_argument("--answer", required=True, metavar="TOKEN", help=_ONE_TOKEN)
    parser.add_argument("--wrong", metavar="TOKEN", help="for the logit difference: one token")
    add_start_token(parser)
    parser.add_argument("--what", choices=WHATS, default=WHATS[0], help=f"({WHATS[0]})")
    parser.add_argument("--metric", choices=METRICS, default=METRICS[0], help=f"({METRICS[0]})")
    parser.add_argument(
        "--direction",
        choices=DIRECTIONS,
        default=DIRECTIONS[0],
        help="denoising (the default), or noising: the corrupt text's into the clean one",
    )
    parser.add_argument("--by-position", action="store_true", help="one position at a time")
    parser.add_argument("--top", type=positive, default=10, metavar="K", help="how many (10)")
    add_json(parser)
    parser.set_defaults(run=_patch)


def add_attribute(parser: argparse.ArgumentParser) -> None:
    """What `attribute` takes."""
    parser.description = (
        "Direct logit attribution at the end of a text: how many logits each head, MLP "
        "and bias adds to the answer rather than to the wrong token. The parts sum to the "
        "difference."
    )
    parser.epilog = (
        'example: python -m headlab attribute --text "Mary met John and John said to" '
        '--answer " Mary" --wrong " John"'
    )
    add_model(parser)
    add_text(parser)
    parser.add_argument("--answer", required=True, metavar="TOKEN", help=_ONE_TOKEN)
    parser.add_argument("--wrong", required=True, metavar="TOKEN", help="one token")
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="HEAD", help="the same without these heads"
    )
    add_start_token(parser)
    parser.add_argument("--top", type=positive, default=10, metavar="K", help="how many (10)")
    add_json(parser)
    parser.set_defaults(run=_attribute)


def add_why(parser: argparse.ArgumentParser) -> None:
    """What `why` takes."""
    parser.description = (
        "What else the model expected where a word of the text stands, with probabilities, and how "
        "many logits each head wrote towards that word and away from the strongest other one."
    )
    parser.epilog = (
        'example: python -m headlab why --text "Mary met John and John said to Mary" --position -1'
    )
    add_model(parser)
    add_text(parser)
    _add_position(parser)
    add_start_token(parser)
    parser.add_argument("--top", type=positive, default=10, metavar="K", help="how many (10)")
    add_json(parser)
    parser.set_defaults(run=_why)


def add_what_if(parser: argparse.ArgumentParser) -> None:
    """What `what-if` takes."""
    parser.description = (
        "Put another word in the place of one, and rank the heads by how far their attention moves "
        "in the rows that can see it; beside each, how far other words there move it."
    )
    parser.epilog = (
        'example: python -m headlab what-if --text "Mary met John and John said to" '
        "--position 1 --word Alice"
    )
    add_model(parser)
    add_text(parser)
    _add_position(parser)
    parser.add_argument("--word", required=True, help="one token, with its space if it has one")
    add_start_token(parser)
    parser.add_argument("--top", type=positive, default=10, metavar="K", help="how many (10)")
    parser.add_argument("--draws", type=positive, default=20, help="random other words (20)")
    add_json(parser)
    parser.set_defaults(run=_what_if)


def _add_position(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--position",
        type=int,
        required=True,
        metavar="N",
        help="the token's place, from 0, the start token counted; -1 is the last",
    )


def _ablate(options: argparse.Namespace) -> int:
    model = load_for_text(options)
    reference = options.reference
    if options.mode == "text" and reference is not None and len(reference) == 1:
        (reference,) = reference
    if options.every:
        return _ablate_every(model, reference, options)
    effect = ablate(
        model,
        options.text,
        options.head or (),
        options.mode,
        reference,
        layers=options.layer or (),
        watch=options.watch,
        top=options.top,
        draws=options.draws,
        start_token=start_policy(options),
    )
    if options.json:
        print_json(effect.to_dict())
    else:
        _print_ablation(effect)
    return DONE


def _print_ablation(effect: Intervention) -> None:
    print(facts_line(effect.to_dict()))
    heads = ", ".join(str(head) for head in effect.heads)
    print(f"without {heads}; in place of its output: {effect.replaced_by}")
    print(f"loss, mean over positions: {effect.loss_change:+.3f} nats")
    control = effect.control
    if control is None:
        print(f"control: {effect.no_control}")
    else:
        print(
            f"control: {len(control.heads)} draws of other heads change it by "
            f"{control.loss_change.min():+.3f} to {control.loss_change.max():+.3f}; this is more "
            f"than {effect.loss_beyond_control:.0%} of them"
        )
    for name, table in effect.tables().items():
        if not table.empty:
            print(f"\n{name}\n{table.round(3).to_string(index=False, na_rep='')}")


def _ablate_every(model: LoadedModel, reference: Any, options: argparse.Namespace) -> int:
    if options.watch is not None and len(options.watch) > 1:
        raise HeadlabError("With --every one token can be watched: leave out the others.")
    with progress_bar(model.name) as progress:
        sweep = ablation_sweep(
            model,
            options.text,
            options.mode,
            reference,
            metric="loss" if options.watch is None else "log-probability",
            watch=options.watch[0] if options.watch else None,
            start_token=start_policy(options),
            progress=progress,
        )
    data = sweep.to_dict() | {"text": options.text}
    table = sweep.to_frame().rename(columns={"effect": "change"})
    show(table.head(options.top), data, options, data)
    return DONE


def _patch(options: argparse.Namespace) -> int:
    model = load_for_text(options)
    with progress_bar(model.name) as progress:
        found = patch(
            model,
            options.clean,
            options.corrupt,
            options.answer,
            options.wrong,
            options.what,
            metric=options.metric,
            by_position=options.by_position,
            direction=options.direction,
            start_token=start_policy(options),
            progress=progress,
        )
    data = found.to_dict()
    show(found.to_frame().head(options.top), data, options, data)
    if not options.json:
        print(f"{found.metric}: clean {found.clean_metric:.3f}, corrupt {found.corrupt_metric:.3f}")
    return DONE


def _attribute(options: argparse.Namespace) -> int:
    found = attribute(
        load_for_text(options),
        options.text,
        options.answer,
        options.wrong,
        removed=options.without,
        start_token=start_policy(options),
    )
    data = found.to_dict()
    show(found.to_frame().head(options.top), data, options, data)
    if not options.json:
        print("\n".join(f"{name}: {value:+.3f}" for name, value in data["parts"].items()))
        print(
            f"logit of {found.answer_text!r} minus {found.wrong_text!r}: {data['difference']:+.3f}"
        )
    return DONE


def _why(options: argparse.Namespace) -> int:
    found = why_word(load_for_text(options), options.text, options.position, start_policy(options))
    data = found.to_dict()
    show(found.to_frame().head(options.top), data, options)
    if not options.json:
        print("expected there: " + ", ".join(map(str, found.candidates)))
        print(f"logits: towards {found.word} and away from {found.rival}")
    return DONE


def _what_if(options: argparse.Namespace) -> int:
    model = load_for_text(options)
    with progress_bar(model.name) as progress:
        found = replace_word(
            model,
            options.text,
            options.position,
            options.word,
            draws=options.draws,
            start_token=start_policy(options),
            progress=progress,
        )
    data = found.to_dict()
    show(found.to_frame().head(options.top), data, options, data)
    return DONE
