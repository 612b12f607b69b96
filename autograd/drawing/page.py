"""A page round drawings that can be switched: a whole HTML document without a script."""

import html
from collections.abc import Mapping

from .figures import shown
from .palette import FONT, css_variables


def page(title: str, views: Mapping[str, str], first: str, theme: str = "auto") -> str:
    """A document that shows one of several SVGs, chosen by radio buttons and style sheets alone."""
    names = list(views)
    chosen = names.index(first)
    name = html.escape(shown(title, 80))
    several = len(views) > 1
    buttons = "".join(
        f'<input type="radio" name="view" id="show{i}"{" checked" if i == chosen else ""}>'
        f'<label for="show{i}">{html.escape(words)}</label>'
        for i, words in enumerate(names)
    )
    panels = "".join(
        f'<div class="view" id="view{i}" tabindex="0" role="region" aria-label="Drawing">{svg}</div>'
        for i, svg in enumerate(views.values())
    )
    seen = ",".join(f"#show{i}:checked~#view{i}" for i in range(len(names)))
    choice = f"<fieldset><legend>What is drawn as one box</legend>{buttons}{panels}</fieldset>" if several else panels
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>The graph of {name}</title>
<style>{colours(theme)}
body {{ margin: 0; padding: 16px; background: var(--paper); color: var(--text); font: 15px/1.5 {FONT}; }}
h1 {{ font-size: 18px; margin: 0 0 12px; overflow-wrap: anywhere; }}
fieldset {{ border: 0; margin: 0; padding: 0; min-width: 0; }}
legend {{ padding: 0; margin-bottom: 6px; }}
input {{ position: absolute; opacity: 0; }}
label {{ display: inline-block; padding: 4px 12px; margin: 0 6px 10px 0; border: 1px solid var(--frame); }}
label {{ border-radius: 6px; }}
label:hover {{ background: var(--box); cursor: pointer; }}
input:checked + label {{ background: var(--text); color: var(--paper); }}
input:focus-visible + label {{ outline: 3px solid var(--data); outline-offset: 2px; }}
.view {{ overflow: auto; max-height: max(300px, calc(100vh - 150px)); border: 1px solid var(--frame); }}
.view {{ border-radius: 6px; }}
.view:focus-visible {{ outline: 3px solid var(--data); }}
.view svg {{ display: block; margin: 0 auto; max-width: none !important; }}
.view::-webkit-scrollbar {{ width: 12px; height: 12px; }}
.view::-webkit-scrollbar-thumb {{ background: var(--line); border: 3px solid var(--paper); border-radius: 6px; }}
{f".view {{ display: none; }} {seen} {{ display: block; }}" if several else ""}
</style>
</head>
<body>
<h1>The graph of {name}</h1>
{choice}
</body>
</html>
"""


def colours(theme: str) -> str:
    """The palette as variables of the page."""

    def variables(shade: int) -> str:
        return f":root{{{css_variables(shade)}}}"

    if theme != "auto":
        return f":root{{color-scheme:{theme}}}{variables(int(theme == 'dark'))}"
    return f":root{{color-scheme:light dark}}{variables(0)}@media (prefers-color-scheme: dark){{{variables(1)}}}"
