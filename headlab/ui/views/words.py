"""Small pieces of text that several pages write."""

from headlab.heads import Head
from headlab.models.tokens import visible


def quoted(token: str) -> str:
    """A token inside a sentence: white space made visible, nothing in it read as markup."""
    return f"`{visible(token).replace('`', 'ˋ')}`"


def plain(words: str) -> str:
    """What somebody wrote, with nothing in it read as markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|~$:" else c for c in words)


def names_of(heads: tuple[Head, ...], most: int = 12) -> str:
    """The heads in a sentence."""
    more = f" and {len(heads) - most} more" if len(heads) > most else ""
    return ", ".join(map(str, heads[:most])) + more
