"""Bytes and seconds in words."""


def gigabytes(size: float) -> str:
    """A size for people.

    >>> gigabytes(6_230_444_800), gigabytes(548_105_171), gigabytes(15_600_000), gigabytes(90_000)
    ('6.2 GB', '548 MB', '16 MB', '90 kB')
    """
    if size >= 999.5e6:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 999.5e3 or not size else f"{size / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(12), duration(600), duration(9000)
    ('12 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
