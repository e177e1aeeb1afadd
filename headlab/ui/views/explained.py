"""Terms and behaviours as the glossary explains them, with their sources."""

from headlab.behaviours import Behaviour
from headlab.evidence.glossary import OWN_PROBE, PROBES
from headlab.evidence.references import get_reference

CITED = {"after": "After", "related": "Related"}


def links(sources: tuple[str, ...]) -> str:
    """Publications as links, in the order given."""
    found = [get_reference(name) for name in sources]
    return "; ".join(f"[{each.name}, *{each.title}*]({each.url})" for each in found)


def explained(text: str, sources: tuple[str, ...]) -> str:
    """A text and, where it has any, its sources."""
    return f"{text} {links(sources)}." if sources else text


def described(about: Behaviour) -> str:
    """What a behaviour is, how it is measured, what it needs and where it comes from."""
    probes = " and on ".join(PROBES.get(probe, OWN_PROBE) for probe in about.probes)
    lower = "; the lower of the two counts" if len(about.probes) > 1 else ""
    scale = "a score" if about.scale == "raw" else "an excess"
    role = f", listed as a role from {about.shown_from:g}" * (about.shown_from < about.threshold)
    lines = [
        about.summary,
        f"- **Score:** {about.measured_as}; on {probes}{lower}.",
        f"- **Counts from:** {scale} of {about.threshold:g}{role}.",
        f"- **Needs:** {about.asks.partition(';')[0]}.",
        f"- **{CITED[about.cited]}:** {links(about.sources)}.",
    ]
    return f"{lines[0]}\n\n" + "\n".join(lines[1:])
