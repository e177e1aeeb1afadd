"""Train `mini`, the GPT-2 of 12 layers and 12 heads that ships with headlab.

    PYTHONPATH=. python scripts/train_mini.py CORPUS_DIR --out mini-new --minutes 150

Stage 1 knows only sequences of random tokens that come back: repeated or walked
to and fro. It starts with few different tokens and gets four times as many
whenever the best induction head has learned the present ones.
Stage 2 mixes plain English, passages of it that come back, structured English and random tokens
in a dozen games (`mini_data.py`, `mini_kinds.py`), made by helpers on the other cores; the rate
decays to nothing at the end. With `--silence P` every head is silent in a window with probability
P for most of the run, so that no behaviour hangs on a single head.
Ctrl-C and `--resume` go on from the last state in `--checkpoints`. It runs on an NVIDIA card
(eight minutes are about two hours of eight cores) and on a CPU.
At the end every checkpoint is profiled, and what each could do is written to `history.json`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import mini_english as english
import mini_kinds
import torch
from mini_data import START, Pool, corpus_paragraphs, start_helpers
from mini_figures import measure, repeat_scores
from mini_network import (
    CONTEXT,
    VOCABULARY,
    Computing,
    computing_for,
    new_model,
    optimisers,
    set_rate,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from tqdm import tqdm
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast
from transformers.utils import logging

MINI = Path(__file__).resolve().parents[1] / "headlab" / "models" / "mini"
KEPT_AT = (0.0, 0.004, 0.01, 0.025, 0.06, 0.12, 0.25, 0.5)  # shares of the run, for the history
STAGE_1_AT_MOST = 0.15
SILENT_UNTIL = 0.75


def random_sequences(
    rng: torch.Generator, windows: int, length: int, pool: Tensor, walks: float = 0.3
) -> tuple[Tensor, Tensor]:
    """Start token, then distinct random tokens that come back, in order or (`walks`) to and fro.

    On a walk the next token is a neighbour of the present one on either side, so
    both the token after and the token before an earlier copy are worth knowing.
    Only tokens that can be foretold weigh.
    """
    body, where = length - 1, {"generator": rng, "device": rng.device}
    period = torch.randint(3, max(4, body // 2) + 1, (windows, 1), **where)
    period.clamp_(max=len(pool))
    order = torch.rand(windows, len(pool), **where).topk(int(period.max()), dim=1).indices
    time_step = torch.arange(body, device=rng.device).expand(windows, body)
    forward = time_step % period
    turn = torch.rand(windows, body, **where) < torch.rand(windows, 1, **where).clamp(0.05, 0.5)
    turn &= time_step >= period
    direction = torch.where(turn, -1, 1).cumprod(dim=1)
    moves = torch.where(time_step < period, torch.ones_like(direction), direction)
    moves[:, 0] = 0
    place = moves.cumsum(dim=1)
    # a walk turns round at both ends: fold the line onto 0..period-1
    fold = place.remainder(2 * period - 2)
    walked = torch.minimum(fold, 2 * period - 2 - fold)
    walked = torch.where(time_step < period, forward, walked)
    is_walk = torch.rand(windows, 1, **where) < walks
    ids = pool[order.gather(1, torch.where(is_walk, walked, forward))]
    weights = (time_step >= period + torch.where(is_walk, 0, 1)).float()
    start = torch.full((windows, 1), START, device=rng.device)
    return torch.cat([start, ids], 1), torch.cat([torch.zeros_like(weights[:, :1]), weights], 1)


def new_tokenizer(paragraphs: list[str], seed: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE as in GPT-2; the generator's words are single tokens with and without a space.

    Each such word is shown often enough that all its merges are made.
    """
    rng = random.Random(seed)
    structured = [english.text_of(mini_kinds.document(rng)) for _ in range(20_000)]
    forced = [text for word in english.SINGLE_TOKENS for text in (word, f" {word}")]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(paragraphs + structured + forced * 3000, trainer)
    split = [text for text in forced if len(tokenizer.encode(text).ids) != 1]
    if split:
        raise RuntimeError(f"Not single tokens: {split}")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        model_max_length=CONTEXT,
    )


def schedule(done: float) -> float:
    """Rate over stage 2: full for a little more than half of it, then straight down to nothing."""
    return min(1.0, max(0.0, (1.0 - done) / 0.45))


class Training:
    """All that a run needs to stop and go on: model, optimisers, random states, counters."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, args: argparse.Namespace) -> None:
        self.args = args
        self.tokenizer = tokenizer
        self.device = torch.device(args.device)
        self.model = new_model(args.seed, leans=not args.no_leans).to(self.device)
        self.optimisers = optimisers(self.model, args.decay)
        self.rng = torch.Generator(device=self.device).manual_seed(args.seed)
        self.computing = Computing(self.device, compiled=False)
        self.folder = Path(args.checkpoints)
        self.step, self.tokens = 0, 0
        self.pool = 64
        self.seconds = 0.0
        self.stage2_from: tuple[int, float] | None = None  # step and seconds
        self.kept: list[int] = []  # steps of the checkpoints
        self.figures: list[dict[str, float]] = []

    def save(self) -> None:
        """Write everything to one file."""
        path = self.folder / "last.pt"
        names = ("step", "tokens", "pool", "seconds", "stage2_from", "kept", "figures")
        state = {
            "model": self.model.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "rng": self.rng.get_state(),
            "counters": {name: getattr(self, name) for name in names},
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self) -> None:
        """Go on from such a file; the helpers go on with windows not made before."""
        state = torch.load(self.folder / "last.pt", map_location=self.device, weights_only=False)
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.rng.set_state(state["rng"].cpu())
        for name, value in state["counters"].items():
            setattr(self, name, value)

    def done(self, step: int | None = None, seconds: float | None = None) -> float:
        """Share of the run over now or at a given moment: by steps if there are, else by time."""
        if self.args.steps:
            return (self.step if step is None else step) / self.args.steps
        return (self.seconds if seconds is None else seconds) / (60 * self.args.minutes)

    def over(self) -> float:
        """Share of stage 2 that is over."""
        start = self.done(*self.stage2_from) if self.stage2_from else 0.0
        return (self.done() - start) / max(1 - start, 1e-9)

    def silenced(self, windows: int) -> Tensor | None:
        """Factors of what every head writes, [layer, window, head]; None without silence."""
        if not self.args.silence:
            return None
        config = self.model.config
        shape = (config.n_layer, windows, config.n_head)
        if self.over() > SILENT_UNTIL:
            return torch.ones(shape, device=self.device)
        heard = torch.rand(shape, generator=self.rng, device=self.device) >= self.args.silence
        return heard / (1 - self.args.silence)

    def learn(self, ids: Tensor, weights: Tensor, keep: Tensor | None = None) -> Tensor:
        """One step; the loss before it."""
        loss = self.computing.loss(self.model, ids, weights, keep)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        self.tokens += ids.numel()
        return loss.detach()

    def widen(self, loss: Tensor) -> None:
        """Give stage 1 four times as many ids once induction is learned; end it with the last."""
        pool = torch.arange(1, self.pool + 1)
        best = repeat_scores(self.model, pool, period=16, seed=self.step)["induction"].max().item()
        log(f"step {self.step}: {self.pool} ids, induction {best:.2f}, loss {loss.item():.2f}")
        late = self.done() > STAGE_1_AT_MOST
        if best > 0.8 or late:
            if self.pool == VOCABULARY - 1 or late:
                self.stage2_from = self.step, self.seconds
            self.pool = min(4 * self.pool, VOCABULARY - 1)

    def begin_stage2(self, pool: Pool) -> None:
        """Wait for the first windows, and find the fastest way to compute that is right."""
        pool.wait(4 * self.args.batch)
        ids, weights = pool.batch(self.args.batch, self.rng)
        keep = self.silenced(self.args.batch)
        self.computing, how = computing_for(
            self.model, self.device, ids, weights, keep, not self.args.no_compile
        )
        log(f"stage 2 from step {self.step}: {how}")

    def run(self, pool: Pool) -> None:
        """Train until the steps or minutes are over."""
        began = time.monotonic() - self.seconds
        measured = int(self.done() * self.args.measures)
        ready = False
        bar = tqdm(total=1000, disable=not sys.stderr.isatty(), unit="‰")
        while self.done() < 1:
            if sum(share <= self.done() for share in KEPT_AT) > len(self.kept):
                self.keep()
            if self.stage2_from is None:
                set_rate(self.optimisers, min(1.0, (self.step + 1) / 50))
                ids = torch.arange(1, self.pool + 1, device=self.device)
                windows = max(64, self.args.batch)
                loss = self.learn(*random_sequences(self.rng, windows, 33, ids))
                if self.step % 25 == 0:
                    self.widen(loss)
            else:
                if not ready:
                    self.begin_stage2(pool)
                    ready = True
                if self.step % 10 == 0:
                    pool.take_up()
                set_rate(self.optimisers, schedule(self.over()))
                keep = self.silenced(self.args.batch)
                loss = self.learn(*pool.batch(self.args.batch, self.rng), keep)
                if int(self.done() * self.args.measures) > measured:
                    measured = int(self.done() * self.args.measures)
                    self.report(loss, pool)
                    self.save()
            if self.step % 10 == 0 and self.device.type == "cuda":
                torch.cuda.synchronize()  # else the clock runs ahead of the card
            self.seconds = time.monotonic() - began
            bar.update(int(1000 * self.done()) - bar.n)
        self.report(loss, pool)
        self.keep()
        self.save()

    def report(self, loss: Tensor, pool: Pool) -> None:
        """Measure, and say how it goes."""
        began = time.monotonic()
        figures = {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 1),
            "loss": loss.item(),
            "windows made": pool.made,
            **measure(self.model, self.tokenizer),
        }
        self.figures.append(figures)
        words = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        log(f"{self.done():.0%}: {words} (measured in {time.monotonic() - began:.1f} s)")

    def keep(self) -> None:
        """Write a checkpoint for the history."""
        self.kept.append(self.step)
        self.export(self.folder / f"step_{self.step:05d}")

    def export(self, folder: Path) -> None:
        """Write model (float16) and tokenizer as transformers loads them."""
        half = GPT2LMHeadModel(self.model.config)
        half.load_state_dict(self.model.state_dict())
        half.to(torch.float16).save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def write_log(self, path: Path) -> None:
        """What was trained how, and how it went."""
        facts: dict[str, Any] = {
            "options": {name: str(value) for name, value in vars(self.args).items()},
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            "stage 2 from": self.stage2_from,
            "checkpoints": self.kept,
            "figures": self.figures,
        }
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def log(line: str) -> None:
    """A line beside the progress bar."""
    tqdm.write(line)
    sys.stdout.flush()


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    gpu = torch.cuda.is_available()
    add("corpus", nargs="?", type=Path, help="folder of plain English .txt, a paragraph a line")
    add("--out", type=Path, required=True, help="where the finished model goes")
    add("--checkpoints", default="checkpoints", help="where the run keeps its state and history")
    add("--minutes", type=float, default=150.0, help="length of the run (ignored with --steps)")
    add("--steps", type=int, default=0, help="length of the run in steps")
    add("--batch", type=int, default=512 if gpu else 24, help="windows of 128 tokens in a step")
    add("--silence", type=float, default=0.0, help="share of heads silenced in a window (0)")
    add("--decay", type=float, default=0.1, help="weight decay of the matrices (.1)")
    add("--no-leans", action="store_true", help="let every head begin at random")
    add("--no-compile", action="store_true", help="do not try torch.compile")
    add("--no-history", action="store_true", help="do not profile the checkpoints at the end")
    add("--measures", type=int, default=10, help="how often to measure and save (10)")
    add("--helpers", type=int, default=1, help="processes that make windows (1)")
    add("--pool", type=int, default=1_000_000 if gpu else 60_000, help="windows to draw from")
    add("--tokenizer", type=Path, default=MINI, help="folder of a tokenizer (the present mini's)")
    add("--new-tokenizer", action="store_true", help="train a tokenizer on corpus and generator")
    add("--seed", type=int, default=0)
    add("--device", default="cuda" if gpu else "cpu")
    add("--threads", type=int, default=2)
    add("--resume", action="store_true", help="go on from the last state in --checkpoints")
    add("--measure", action="store_true", help="train nothing: print figures of the model in --out")
    args = parser.parse_args()
    if args.corpus is None and not args.measure:
        parser.error("Give the folder of plain English to train on.")
    return args


def main() -> None:
    args = options()
    torch.set_num_threads(args.threads)
    logging.disable_progress_bar()
    if args.measure:
        model = GPT2LMHeadModel.from_pretrained(args.out, dtype=torch.float32)
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.out)
        print(json.dumps(measure(model, tokenizer, seed=2, examples=400), indent=1))
        return
    folder = Path(args.checkpoints)
    own = folder / "tokenizer"
    if args.resume:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(own)
    elif args.new_tokenizer:
        tokenizer = new_tokenizer(corpus_paragraphs(args.corpus), args.seed)
    else:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.tokenizer)
    tokenizer.save_pretrained(own)
    # other windows when a run goes on: the seconds so far are part of the helpers' seed
    begun = time.time_ns() // 10**9 % 10**6 if args.resume else 0
    windows = folder / "windows"
    start_helpers(
        args.helpers, str(own / "tokenizer.json"), args.corpus, windows, args.seed + begun
    )
    torch.set_float32_matmul_precision("high")
    training = Training(tokenizer, args)
    if args.resume:
        training.load()
    try:
        training.run(Pool(windows, args.pool, training.device))
    finally:
        (windows / "stop").touch()
    training.export(args.out)
    training.write_log(args.out / "training.json")
    if not args.no_history:
        from mini_history import write_history

        write_history(folder, args.out / "history.json")


if __name__ == "__main__":
    main()
