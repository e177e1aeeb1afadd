"""Counting the forward passes of a network, whoever makes them."""

from contextlib import contextmanager


@contextmanager
def counted(model):
    """A list that grows by the number of tokens of every text that the network reads."""
    passes = []

    def note(module, arguments, options):
        tokens = arguments[0] if arguments else options["input_ids"]
        passes.append(tuple(tokens.shape))

    hook = model.network.base_model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield passes
    finally:
        hook.remove()
