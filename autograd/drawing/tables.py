"""Tables and texts of drawings in HTML: readable in light and dark, and where styles are dropped; no script."""

from collections.abc import Iterable, Sequence
from html import escape

CELL = "padding: 0.15em 0.6em; white-space: pre; text-align: {}; vertical-align: baseline"
RULE = "; border-bottom: 1px solid currentColor"
RULE_ABOVE = "; border-top: 1px solid currentColor"


def html_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    notes: Iterable[str],
    left: Sequence[int],
    caption: str = "",
    total: Sequence[str] = (),
) -> str:
    """A table of texts, its first column heading the rows; columns are set to the right but those in `left`.

    Heads that are "" belong to columns of signs, such as "×". `total` is a last row, below a rule.
    """
    styles = [CELL.format("left" if i in left else "right") for i in range(len(heads))]
    top = [cell("th" if head else "td", styles[i] + RULE, head, 'scope="col"') for i, head in enumerate(heads)]
    body = [row(styles, texts) for texts in rows]
    foot = f"<tfoot>{row([style + RULE_ABOVE for style in styles], total)}</tfoot>" if total else ""
    title = f'<caption style="text-align: left; padding: 0.4em 0.6em">{escape(caption)}</caption>' if caption else ""
    below = "".join([f'<p style="margin: 0.4em 0.6em">{escape(note)}</p>' for note in notes])
    return (
        '<div style="overflow-x: auto"><table style="border-collapse: collapse; font-family: ui-monospace, monospace">'
        f"{title}<thead><tr>{''.join(top)}</tr></thead><tbody>{''.join(body)}</tbody>{foot}</table>{below}</div>"
    )


def row(styles: Sequence[str], texts: Sequence[str]) -> str:
    """One row, its first cell the head."""
    cells = [cell("td", style, text) for style, text in zip(styles[1:], texts[1:], strict=True)]
    first = cell("th", f"{styles[0]}; font-weight: normal", texts[0], 'scope="row"')
    return f"<tr>{first}{''.join(cells)}</tr>"


def cell(tag: str, style: str, text: str, scope: str = "") -> str:
    """One cell; only a head has a scope."""
    return f'<{tag} {scope if tag == "th" else ""} style="{style}">{escape(text)}</{tag}>'
