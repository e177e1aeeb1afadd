"""The version of headlab, where everybody may read it."""

__version__ = "0.2.0"
