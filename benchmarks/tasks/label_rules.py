"""Labels by regular expressions: what can be had without a model, for the control row `regex`.

Rules are written from the names of the labels, a dozen words each, the first that matches wins.
For a user's own file the label whose name stands in the text is taken.
"""

import re
from collections.abc import Callable, Sequence

__all__ = ["rule_for"]

_RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "trec": (
        ("abbreviation", r"stand for|abbreviat|acronym|full form|\bmean in\b"),
        ("human being", r"^who\b|\bwho\b|\bwhat .*\b(name|actor|president|author|singer|man)\b"),
        ("location", r"^where\b|\b(country|city|state|capital|river|mountain|island|continent)\b"),
        ("numeric value", r"^when\b|^how (many|much|long|old|far|tall|fast|big|often)|\b(year|date|"
         r"population|number|percent|average)\b"),
        ("description and abstract concept", r"^(why|how|define)\b|what (is|are|was|does) (the )?"
         r"\w+( \w+)? ?\??$|\b(origin|definition|difference|meaning)\b"),
        ("entity", r"."),
    ),
    "sms": (
        ("spam", r"free|win|won|prize|claim|txt|text .* to|\b\d{5}\b|\b0\d{9,}|£|urgent|award|call "
         r"now|mobile|ringtone|reply|stop\b|cash|guaranteed|voucher|www\."),
        ("ham", r"."),
    ),
    "wordnet": (
        ("location", r"^(a |an |the )?(city|town|port|state|region|capital|country|district|area|"
         r"place|province|village|island)\b|\bin (north|south|east|west|central)\w*\b.*\bon\b"),
        ("person", r"someone|\bperson\b|who |\b(man|woman|member|worker|soldier|leader|poet|writer|"
         r"artist|scientist|politician|king|native or inhabitant)\b"),
        ("food", r"\b(dish|food|sauce|bread|cake|wine|drink|beverage|cheese|soup|cooked|baked|"
         r"served|sweet|meat|flavored|liquor|pastry|candy)\b"),
        ("plant", r"\b(plant|tree|shrub|herb|flower|flowers|leaves|grass|genus of .*(herbs|trees|"
         r"shrubs)|fern|fungus|fungi|vine|orchid|moss|evergreen)\b"),
        ("animal", r"\b(animal|bird|fish|insect|mammal|dog|breed|snake|lizard|beetle|moth|"
         r"butterfly|spider|genus|family of|larva|mollusk|crustacean|rodent|monkey|horse|cat)\b"),
        ("body", r"\b(bone|muscle|nerve|vein|artery|organ|gland|tissue|skin|body|tooth|teeth|cell|"
         r"hair|membrane|skull|leg|arm|joint)\b"),
        ("substance", r"\b(chemical|compound|acid|mineral|metal|substance|element|salt|drug|alloy|"
         r"resin|liquid|gas|powder|oil|crystalline|fiber|paper|fabric dye|protein|enzyme)\b"),
        ("artifact", r"."),
    ),
    "debian": (
        ("documentation", r"documentation|manual|\bdocs?\b|\bguide\b|\bexamples\b|\bHOWTO\b"),
        ("games", r"\bgames?\b|puzzle|shooter|arcade|chess|\bplay(er)? against\b|adventure"),
        ("sound and graphics", r"audio|sound|music|video|image|photo|midi|graphic|mp3|synth|camera|"
         r"player|viewer|\b3d\b"),
        ("network", r"\b(network|server|client|mail|web|http|internet|irc|dns|ftp|ssh|proxy|imap|"
         r"chat|browser|modem|fax)\b"),
        ("science", r"scien|math|statist|numer|astronom|chemi|biolog|physic|molecul|genom|sequence|"
         r"circuit|radio|calculat"),
        ("libraries", r"."),
    ),
}  # fmt: skip


def rule_for(source: str, labels: Sequence[str]) -> Callable[[str], str]:
    """A function from a text to one of the labels."""
    named = tuple((label, rf"\b{re.escape(label)}") for label in labels)
    rules = [
        (label, re.compile(pattern, re.IGNORECASE))
        for label, pattern in _RULES.get(source, named)
        if label in labels
    ]

    def rule(text: str) -> str:
        return next((label for label, pattern in rules if pattern.search(text)), labels[0])

    return rule
