"""``explain``, ``sink``, ``composition``, ``path-patch``, ``circuit``: why heads look there."""

import argparse

from headlab.cli.codes import DONE
from headlab.cli.shared import (
    add_json,
    add_model,
    add_special_tokens,
    add_start_token,
    add_text,
    load,
    load_for_text,
    positive,
    show,
    start_policy,
)
from headlab.interventions.replacing import MODES
from headlab.mechanisms import (
    Circuit,
    attribute_edges,
    composition,
    explain_attention,
    explain_sink,
    path_patch_map,
)
from headlab.mechanisms.composing import INPUTS, Input
from headlab.mechanisms.explaining import SIDES


def add_explain(parser: argparse.ArgumentParser) -> None:
    """What `explain` takes."""
    parser.description = (
        "Split the score that a head gives one token from another by what wrote the query and the "
        "key, exactly: every earlier head, MLP and embedding. Shares are of the score minus the "
        "mean of those that the row can see."
    )
    parser.epilog = (
        'example: python -m headlab explain --text "The cat sat. The cat" --head L5.H1 --query -1 '
        "--key 3"
    )
    add_model(parser)
    add_text(parser)
    parser.add_argument("--head", required=True, help="such as L5.H1")
    for side, does in (("query", "looks"), ("key", "is looked at")):
        parser.add_argument(
            f"--{side}",
            type=int,
            required=True,
            metavar="N",
            help=f"the place of the token that {does}, from 0, the start token counted; -1 is last",
        )
    parser.add_argument(
        "--without", nargs="+", metavar="PART", help="take parts out, such as L0.H0 or 'MLP 0'"
    )
    parser.add_argument("--side", choices=SIDES, default="query", help="out of which (query)")
    add_start_token(parser)
    parser.add_argument("--top", type=positive, default=10, metavar="K", help="how many (10)")
    add_json(parser)
    parser.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> int:
    found = explain_attention(
        load_for_text(options),
        options.text,
        options.head,
        options.query,
        options.key,
        start_token=start_policy(options),
    )
    data = found.to_dict()
    without = found.without(options.without, options.side) if options.without else None
    if without is not None:
        data["without"] = without.to_dict()
    show(found.to_frame().head(options.top), data, options, data)
    if not options.json:
        texts = found.token_texts
        print(
            f"{found.head} from {texts[found.query]!r} to {texts[found.key]!r}: attention "
            f"{found.attention:.3f}, score {found.score:+.3f}, beside the mean of its row "
            f"{found.contrast:+.3f} (the parts sum to it)"
        )
        if without is not None:
            drawn = without.control[:, found.key]
            spread = f"{drawn.min():.3f} to {drawn.max():.3f}" if len(drawn) else "none"
            print(
                f"without {', '.join(without.parts)} in the {without.side}: attention "
                f"{without.after[found.key]:.3f}; without as many other parts: {spread}"
            )
    return DONE


def add_composition(parser: argparse.ArgumentParser) -> None:
    """What `composition` takes."""
    parser.description = (
        "How much of what an earlier head writes a later one can read through its queries, keys or "
        "values: a score of 0 to 1, and how far it lies above random heads with the same singular "
        "values, in their standard deviations."
    )
    parser.epilog = "example: python -m headlab composition --into L3.H5 --through key"
    add_model(parser)
    around = parser.add_mutually_exclusive_group()
    around.add_argument("--into", metavar="HEAD", help="only what this head can read")
    around.add_argument("--out-of", metavar="HEAD", help="only who can read this head")
    parser.add_argument(
        "--through", choices=INPUTS, default=None, help="by which input (all; with a head: query)"
    )
    parser.add_argument("--top", type=positive, default=15, metavar="K", help="how many (15)")
    add_json(parser)
    parser.set_defaults(run=_composition)


def _composition(options: argparse.Namespace) -> int:
    found = composition(load(options.model))
    through: Input = options.through or "query"
    if options.into:
        table = found.into(options.into, through)
    elif options.out_of:
        table = found.out_of(options.out_of, through)
    else:
        table = found.to_frame()
        if options.through:
            table = table[table["through"] == options.through].reset_index(drop=True)
    shown = table.head(options.top)
    data = {"model": found.model_name, "pairs": shown.to_dict("records")}
    show(shown, data, options, data)
    return DONE


def add_path_patch(parser: argparse.ArgumentParser) -> None:
    """What `path-patch` takes."""
    parser.description = (
        "Let every earlier head in turn tell one head what it would have on the other text, "
        "through one of its inputs and past everything else: what changes in where it looks."
    )
    parser.epilog = (
        'example: python -m headlab path-patch --clean "The cat sat. The cat" '
        '--corrupt "The dog sat. The cat" --receiver L3.H5 --into key --key 3'
    )
    add_model(parser)
    parser.add_argument("--clean", required=True, help="the text")
    parser.add_argument("--corrupt", required=True, help="another text of as many tokens")
    add_special_tokens(parser)
    parser.add_argument("--receiver", required=True, metavar="HEAD", help="the head that is told")
    parser.add_argument("--into", choices=INPUTS, default="query", help="by which input (query)")
    parser.add_argument("--query", type=int, default=-1, metavar="N", help="it looks from (-1)")
    parser.add_argument("--key", type=int, required=True, metavar="N", help="it looks at")
    parser.add_argument("--answer", help="with --wrong: next tokens whose logits are watched")
    parser.add_argument("--wrong", help="see --answer")
    parser.add_argument(
        "--guess",
        action="store_true",
        help="guess by gradients instead of patching (edge attribution), through query and key",
    )
    add_start_token(parser)
    parser.add_argument("--top", type=positive, default=15, metavar="K", help="how many (15)")
    add_json(parser)
    parser.set_defaults(run=_path_patch)


def _path_patch(options: argparse.Namespace) -> int:
    if options.guess:
        return _guess(options)
    found = path_patch_map(
        load_for_text(options),
        options.clean,
        options.corrupt,
        options.receiver,
        options.into,
        query=options.query,
        key=options.key,
        answer=options.answer,
        wrong=options.wrong,
        start_token=start_policy(options),
    )
    data = found.to_dict()
    show(found.to_frame().head(options.top), data, options, data)
    if not options.json:
        texts = found.token_texts
        print(
            f"{found.receiver} from {texts[found.query]!r} to {texts[found.key]!r}: attention "
            f"{found.before:.3f} on this text"
        )
    return DONE


def _guess(options: argparse.Namespace) -> int:
    found = attribute_edges(
        load_for_text(options),
        options.clean,
        options.corrupt,
        options.receiver,
        query=options.query,
        key=options.key,
        start_token=start_policy(options),
    )
    data = found.to_dict()
    show(found.to_frame().head(options.top), data, options, data)
    if not options.json:
        print("a guess: nothing was patched; without --guess it is")
    return DONE


def add_circuit(parser: argparse.ArgumentParser) -> None:
    """What `circuit` takes."""
    parser.description = (
        "Keep only some heads and replace all others: how much of a behaviour is left "
        "(faithfulness), beside random sets of as many heads, and how much is left without them."
    )
    parser.epilog = (
        'example: python -m headlab circuit --heads L0.H0 L3.H7 --text "The cat sat. The cat" '
        "--head L3.H7 --key 3"
    )
    add_model(parser)
    parser.add_argument("--heads", nargs="+", required=True, metavar="HEAD", help="the circuit")
    add_text(parser)
    parser.add_argument("--head", help="with --key: the behaviour is that this head looks there")
    parser.add_argument("--query", type=int, default=-1, metavar="N", help="it looks from (-1)")
    parser.add_argument("--key", type=int, metavar="N", help="it looks at")
    parser.add_argument("--answer", help="or it is that this token comes next")
    parser.add_argument("--wrong", help="with --answer: and not this one")
    parser.add_argument("--mode", choices=MODES, default="mean", help="replaced by what (mean)")
    parser.add_argument("--reference", metavar="TEXT", help="the text for --mode text")
    add_start_token(parser)
    add_json(parser)
    parser.set_defaults(run=_circuit)


def _circuit(options: argparse.Namespace) -> int:
    found = Circuit(options.heads).faithfulness(
        load_for_text(options),
        options.text,
        head=options.head,
        query=options.query,
        key=options.key,
        answer=options.answer,
        wrong=options.wrong,
        mode=options.mode,
        reference=options.reference,
        start_token=start_policy(options),
    )
    data = found.to_dict()
    show(found.to_frame(), data, options, data)
    if not options.json:
        print(f"{found.measured}; other heads replaced by {found.replaced_by}")
        print(found.no_random or f"more than {found.beyond_random:.0%} of random sets carry")
    return DONE


def add_sink(parser: argparse.ArgumentParser) -> None:
    """What `sink` takes."""
    parser.description = (
        "Why a head rests on the first token: what the bias of its queries gives the first key, "
        "who made that key, and the text read without each. For models that have such a bias."
    )
    parser.epilog = 'example: python -m headlab sink --text "The cat sat on the mat." --head L5.H1'
    add_model(parser)
    add_text(parser)
    parser.add_argument("--head", required=True, help="such as L5.H1")
    add_start_token(parser)
    add_json(parser)
    parser.set_defaults(run=_sink)


def _sink(options: argparse.Namespace) -> int:
    found = explain_sink(
        load_for_text(options), options.text, options.head, start_token=start_policy(options)
    )
    data = found.to_dict()
    show(found.to_frame(), data, options, data)
    if not options.json:
        largest = sorted(zip(found.parts, found.by_key, strict=True), key=lambda at: -abs(at[1]))
        made = ", ".join(f"{part} {value:+.2f}" for part, value in largest[:3])
        print(
            f"the first key lies {found.contrast:+.2f} above the mean key in score; the bias of "
            f"the query gives {found.by_bias:+.2f} of it, written by: {made}"
        )
    return DONE
