"""``explain``: why a head looks where it looks."""

import argparse

from headlab.cli.codes import DONE
from headlab.cli.shared import (
    add_json,
    add_model,
    add_start_token,
    load,
    positive,
    show,
    start_policy,
)
from headlab.mechanisms import explain_attention
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
    parser.add_argument("--text", required=True, help="the text to read")
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
        load(options.model),
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
