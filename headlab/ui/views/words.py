"""Small pieces of text that several pages write."""

from headlab.models.tokens import visible


def quoted(token: str) -> str:
    """A token inside a sentence: white space made visible, nothing in it read as markup."""
    return f"`{visible(token).replace('`', 'ˋ')}`"


def plain(words: str) -> str:
    """What somebody wrote, with nothing in it read as markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|~$:" else c for c in words)
