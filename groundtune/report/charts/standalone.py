"""A chart as a file of its own: the colours of the page inside it, light and dark."""

import re

from markupsafe import Markup

_ROOT = re.compile(r":root \{[^}]*\}|@media \(prefers-color-scheme: dark\) \{\s*:root \{[^}]*\}\s*\}")
_RULE = re.compile(r"(?:^|(?<=\}))\s*(svg[^{}]*\{[^}]*\})", re.MULTILINE)
_FONT = 'svg { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }'


def standalone(chart: Markup, style: str) -> str:
    """style: the page's sheet; its colours and the rules of charts are taken along, the rest is not."""
    rules = [*_ROOT.findall(style), *(rule.strip() for rule in _RULE.findall(style)), _FONT]
    head, _, body = str(chart).partition(">")
    width, height = re.findall(r"[\d.]+", head.partition('viewBox="')[2])[2:4]
    sized = head.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" ', 1)
    sheet = '<rect width="100%" height="100%" style="fill: var(--card)"/>'
    return f"{sized}><style>\n{chr(10).join(rules)}\n</style>{sheet}{body}\n"
