"""From attention patterns to numbers."""
