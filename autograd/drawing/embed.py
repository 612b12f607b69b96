"""One page inside another: alive where scripts may run, its still picture where they may not.

A notebook decides what may run in it. One that is not trusted drops scripts, inline SVG and what is in a frame, but keeps an
image whose data stands in its address. So the image is what is written, and where scripts may run its `onload` puts the
page in its place. There are no ids: the same output may stand on a page any number of times.
"""

import base64
import html
import re

STILL = (
    "A still picture: scripts may not run here. In a notebook of your own, run the cell again or trust the notebook "
    "(in JupyterLab: View → Activate Command Palette → Trust Notebook)."
)
TALLEST = 4000
SMALLEST = 0.6  # of a picture's own width: figures of 12 pixels can still be read

# A frame must not look into its page (`sandbox` without `allow-same-origin`), so the page says how tall it is.
TELL_HEIGHT = """<script>
new ResizeObserver(() => parent.postMessage({autogradHeight: document.documentElement.offsetHeight}, "*"))
  .observe(document.documentElement);
</script>"""

# Nor may it look out: what its style sheets ask of the reader's system, light or dark, is answered from the notebook here.
COME_TO_LIFE = f"""
const frame = document.createElement("iframe");
for (const name of ["title", "sandbox", "style"]) frame.setAttribute(name, this.dataset[name]);
// JupyterLab fills a cell that is out of sight before it puts the cell into its page.
const scheme = getComputedStyle(this.isConnected ? this : document.body).colorScheme;
const answer = (asked, wanted) => wanted === scheme ? "@media all" : "@media not all";
frame.srcdoc = ["light", "dark"].includes(scheme)
  ? this.dataset.srcdoc.replace(/@media \\(prefers-color-scheme: ?(light|dark)\\)/g, answer)
  : this.dataset.srcdoc;
window.addEventListener("message", ({{source, data}}) => {{
  if (source === frame.contentWindow && data.autogradHeight > 0)
    frame.style.height = Math.min(data.autogradHeight, {TALLEST}) + "px";
}});
this.parentNode.replaceChildren(frame);
"""


def image(picture: str, alt: str) -> str:
    """An SVG as an `<img>`: nothing in it can run, no style or id of it meets the page's, and every notebook keeps it.

    It shrinks to the room that there is, as long as it can be read; then it scrolls.
    """
    return f'<div style="overflow-x:auto"><img{attributes(**still(picture, alt))}></div>'


def framed(page: str, height: int, title: str) -> str:
    """A page in an `<iframe>`, where its scripts may run and reach nothing outside it: for places that run no others."""
    return f"<iframe{attributes(**frame(page, height, title))}></iframe>"


def embedded(page: str, picture: str, height: int, title: str) -> str:
    """The page where scripts may run, the picture and how to bring it to life where they may not.

    Args:
        page: a whole HTML document that needs nothing from elsewhere.
        picture: an SVG of what it shows first.
        height: of the frame in pixels, until the page has said how tall it is.
        title: what a screen reader says of the frame, or of the picture.
    """
    waiting = {f"data-{name}": value for name, value in frame(page, height, title).items()}
    alive = attributes(**still(picture, title), **waiting, onload=COME_TO_LIFE)
    return f'<div style="overflow-x:auto"><img{alive}><p><small>{html.escape(STILL)}</small></p></div>'


def still(picture: str, alt: str) -> dict[str, str]:
    """The attributes of an image."""
    data = base64.b64encode(picture.encode("utf-8", "replace")).decode()
    width = re.search(r'^<svg[^>]* width="(\d+)', picture)
    least = f"min-width:{SMALLEST * int(width[1]):.0f}px;" if width else ""
    return {"src": f"data:image/svg+xml;base64,{data}", "alt": alt, "style": f"max-width:100%;{least}height:auto"}


def frame(page: str, height: int, title: str) -> dict[str, str]:
    """The attributes of a frame; it may run scripts, in a world of its own."""
    before, end_of_body, after = page.rpartition("</body>")
    return {
        "srcdoc": f"{before}{TELL_HEIGHT}{end_of_body}{after}",
        "title": title,
        "sandbox": "allow-scripts",
        "style": f"width:100%;height:{height}px;border:0;display:block",
    }


def attributes(**values: str) -> str:
    """Attributes as HTML has them; whatever a value holds, it stays data."""
    return "".join(f' {name}="{html.escape(value)}"' for name, value in values.items())
