"""Exit codes of the command line."""

DONE, FAILED, MISUNDERSTOOD = 0, 1, 2
