"""What several commands share: exit codes, arguments, loading with progress, and printing."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from headlab.errors import HeadlabError
from headlab.files import decoded, read_bytes, to_csv, write_file
from headlab.measuring.continuing import MOST
from headlab.models.loaded import LoadedModel
from headlab.models.loading import load_model
from headlab.models.tokens import StartToken, chat_turn
from headlab.profiles.compare import ProfileComparison, compare_profiles
from headlab.profiles.profile import Profile
from headlab.profiles.profiling import profile_model


def add_model(
    parser: argparse.ArgumentParser, several: bool = False, default: str = "mini"
) -> None:
    """``--model``: one, with a default, or several."""
    words = "a name listed by `models`, a downloaded owner/name, or the folder of a model"
    if several:
        parser.add_argument("--model", nargs="+", required=True, metavar="MODEL", help=words)
    else:
        words = f"{words} ({default})"
        parser.add_argument("--model", default=default, metavar="MODEL", help=words)


def add_text(parser: argparse.ArgumentParser) -> None:
    """``--text`` or ``--file``, and how it is read; ``take_text`` reads it before the command."""
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--text", help='the text to read; "-" takes it from standard input')
    either.add_argument("--file", metavar="FILE", help="or the file that holds it")
    parser.set_defaults(prepare=take_text)
    add_special_tokens(parser, chat=True)


def add_special_tokens(parser: argparse.ArgumentParser, chat: bool = False) -> None:
    """``--special-tokens``, and where there is one text ``--chat``."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--special-tokens",
        action="store_true",
        help="names of special tokens in a text, such as <|endoftext|>, are these tokens",
    )
    if chat:
        either.add_argument(
            "--chat",
            action="store_true",
            help="the text is what somebody says to a chat model, in the model's own template",
        )


def take_text(options: argparse.Namespace) -> None:
    """Put the text of a file, or of standard input, where ``--text`` would have put it.

    A line break at the end is not part of it.
    """
    if options.file is None and options.text != "-":
        return
    raw = sys.stdin.buffer.read() if options.file is None else read_bytes(options.file)
    try:
        options.text = decoded(raw).rstrip("\r\n")
    except ValueError as error:
        source = options.file or "standard input"
        raise HeadlabError(f"{source} holds no text: save it as UTF-8.") from error


def add_start_token(parser: argparse.ArgumentParser) -> None:
    """``--no-start-token``."""
    parser.add_argument(
        "--no-start-token",
        action="store_true",
        help="do not put the model's start token before a text",
    )


def add_continue(parser: argparse.ArgumentParser) -> None:
    """``--continue`` and ``--seed``."""
    parser.add_argument(
        "--continue",
        dest="continue_by",
        type=positive,
        default=0,
        metavar="N",
        help=f"let the model write up to N tokens more first, at most {MOST}",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="S",
        help="draw what it writes, the same for the same number (else the most probable)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def add_date(parser: argparse.ArgumentParser) -> None:
    """``--date``, for reports."""
    parser.add_argument(
        "--date",
        default="",
        metavar="YYYY-MM-DD",
        help="the date that a report bears (SOURCE_DATE_EPOCH, else today)",
    )


def positive(word: str) -> int:
    """The type of an argument that is a whole number from 1."""
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def start_policy(options: argparse.Namespace) -> StartToken:
    """The start-token policy that is asked for: the model's own, or none."""
    return None if options.no_start_token else "model"


def entities_named(pairs: Sequence[str] | None) -> list[tuple[str, str]] | None:
    """``ENTITY=ATTRIBUTE`` as pairs; None where none are given."""
    if pairs is None:
        return None
    split = [pair.partition("=") for pair in pairs]
    for pair, (entity, _, place) in zip(pairs, split, strict=True):
        if not entity or not place:
            raise HeadlabError(f"{pair!r} is no fact: write ENTITY=ATTRIBUTE, such as Maria=Oslo.")
    return [(entity, attribute) for entity, _, attribute in split]


def load_for_text(options: argparse.Namespace) -> LoadedModel:
    """The model of a command about texts, reading them as asked; ``--chat`` wraps ``--text``."""
    model = load(options.model)
    chat = getattr(options, "chat", False)
    if chat or options.special_tokens:
        model = model.with_special_tokens()
    if chat:
        options.text = chat_turn(model, options.text)
    return model


def load(name: str) -> LoadedModel:
    """The model; what is to be noticed about it goes to standard error."""
    model = load_model(name)
    if model.notice:
        print(f"{name}: {model.notice}", file=sys.stderr)
    return model


def profiled(model: LoadedModel, options: argparse.Namespace) -> Profile:
    """The model's profile, with a progress bar on standard error."""
    quick = getattr(options, "quick", False)
    with progress_bar(model.name) as progress:
        return profile_model(
            model,
            start_token=start_policy(options),
            variants=not quick,
            controls=0 if quick else 3,
            progress=progress,
            partial=_print_first_labels,
            cache=not getattr(options, "fresh", False),
            prompts=_own_sentences(getattr(options, "sentences", None)),
        )


def _own_sentences(path: Path | None) -> dict[str, list[str]] | None:
    """The sentences of a file, one a line, as a probe."""
    if path is None:
        return None
    lines = [line.strip() for line in decoded(read_bytes(path)).splitlines()]
    return {"sentences": [line for line in lines if line]}


def _print_first_labels(share: float, profile: Profile) -> None:
    tqdm.write(f"labels after {share:.0%} of the probes: {profile.labels_text}", file=sys.stderr)


def profile_of(side: str, options: argparse.Namespace) -> Profile:
    """A saved profile, or the profile of a model."""
    return Profile.load(side) if side.endswith(".json") else profiled(load(side), options)


def compared(before: Profile, after: Profile) -> ProfileComparison:
    """Two profiles side by side, rounded as kept ones are, so that every run gives the same."""
    return compare_profiles(*(Profile.from_dict(p.to_dict()) for p in (before, after)))


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on standard error, moved by the share done; none where that is no terminal."""
    shape = "{desc}: {percentage:3.0f} %|{bar}|{postfix}"  # what is done says how long it takes
    with tqdm(total=100, desc=title, bar_format=shape, leave=False, delay=1, disable=None) as bar:

        def progress(done: float, what: str) -> None:
            bar.set_postfix_str(what)
            bar.update(round(100 * done) - bar.n)

        yield progress


def facts_of(model: str, start_token: int | None, start_text: str | None) -> dict[str, Any]:
    """What is printed on everything: the model and its start-token policy."""
    return {"model": model, "start_token": start_token, "start_text": start_text}


def facts_line(facts: dict[str, Any]) -> str:
    """What ``facts_of`` gives, as one line."""
    start = facts["start_text"]
    return f"model {facts['model']} · start token {'none' if start is None else start}"


def show(
    table: pd.DataFrame,
    data: dict[str, Any],
    options: argparse.Namespace,
    facts: dict[str, Any] | None = None,
) -> None:
    """Print ``data`` as JSON, or the table for people."""
    if options.json:
        print_json(data)
        return
    if facts is not None:
        print(facts_line(facts))
    print(table.round(3).to_string(index=False, na_rep=""))


def check_ending(path: Path | None, *more: str) -> None:
    """Refuse a file that is no .csv, .json or one of ``more``; no file is fine."""
    endings = (*more, ".csv", ".json")
    if path is not None and path.suffix not in endings:
        raise HeadlabError(
            f"{path} has an unknown ending: use a {', a '.join(endings[:-1])} or a .json file."
        )


def print_json(data: Any) -> None:
    """One line of JSON; where the console knows other letters only, they are escaped."""
    known = (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf16")
    print(json.dumps(data, ensure_ascii=not known))


def write(path: Path, table: pd.DataFrame, data: dict[str, Any]) -> None:
    """Write ``data`` as .json; otherwise the table as .csv, with model and start token."""
    if path.suffix == ".json":
        write_file(path, json.dumps(data, ensure_ascii=False))
    else:
        start = data["start_text"] or "none"
        write_file(path, to_csv(table.assign(model=data["model"], start_token=start)))
    print(f"written to {path}", file=sys.stderr)
