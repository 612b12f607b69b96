"""The one visual language of drawings, players and sliders: blue goes forward, orange comes back, in light and dark."""

FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
PALETTE = {  # what is drawn: (in light, in dark)
    "paper": ("#ffffff", "#0f172a"),
    "box": ("#f8fafc", "#1e293b"),
    "frame": ("#475569", "#94a3b8"),
    "line": ("#94a3b8", "#64748b"),
    "text": ("#0f172a", "#f1f5f9"),
    "data": ("#2563eb", "#60a5fa"),  # numbers, going forward
    "grad": ("#c2410c", "#fb923c"),  # gradients, coming back
    "wrong": ("#dc2626", "#f87171"),  # infinities and NaN
    "scope": ("#f1f5f9", "#131c31"),  # the ground and the frame of a part of a model
    "scope-line": ("#cbd5e1", "#334155"),
}


def css_variables(shade: int) -> str:
    """The palette as CSS variables: of light, 0, or of dark, 1."""
    return "".join([f"--{use}:{pair[shade]};" for use, pair in PALETTE.items()])
