"""The shell of every HTML page, and the templates of what stands in it.

The shell is plain text, as the base installation writes pages too, and Jinja2 is not in it; pages
with more than a few elements are Jinja2 templates (extra ``report``).
"""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

from .. import __version__
from ..extras import need
from .words import NOT_A_DEVICE

__all__ = ["page", "render"]

_STYLE = """
:root { color-scheme: light; --ink: #1c1c1c; --quiet: #555; --line: #ddd; --faint: #eee;
        --rule: #bbb; --page: #fff; --note: #fff6e0; --note-edge: #c88a00; --shade: #0004; }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ink: #e6ebef; --quiet: #9aa7b3; --line: #38434d; --faint: #262f37;
          --rule: #56616b; --page: #0f1418; --note: #33290f; --note-edge: #c88a00; --shade: #fff5; }
  td.label { filter: brightness(1.6); }
  svg { background: #fff; }  /* an ECG stays on its paper, in the colours that it has in print */
  a { color: #78b4e8; } a:visited { color: #b79be0; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
       max-width: 72rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
.note { background: var(--note); border-left: .3rem solid var(--note-edge); margin: 1rem 0;
        padding: .6rem 1rem; }
img, svg { max-width: 100%; height: auto; border: 1px solid var(--line); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .9rem .2rem 0; text-align: right; border-bottom: 1px solid var(--faint); }
th { font-weight: 600; border-bottom: 2px solid var(--rule); position: sticky; top: 0;
     background: var(--page); }
th.group { text-align: center; }
table.facts th, table.facts td { text-align: left; border: 0; position: static;
                                 vertical-align: top; white-space: pre-wrap; }
table.facts th { font-weight: 400; color: var(--quiet); }
td.label { font-weight: 700; text-align: center; } td.text, th.text { text-align: left; }
figure { margin: 0; } figcaption { color: var(--quiet); font-size: .85rem; }
@media screen {
  /* What scrolls sideways has a shadow at the edge behind which there is more. */
  .scroll { background:
    linear-gradient(to right, var(--page) 40%, transparent) -2px 0 / 2.4rem 100% no-repeat local,
    linear-gradient(to left, var(--page) 40%, transparent) calc(100% + 2px) 0 / 2.4rem 100%
      no-repeat local,
    linear-gradient(to right, var(--shade), transparent) 1px 0 / 1rem 100% no-repeat,
    linear-gradient(to left, var(--shade), transparent) calc(100% - 1px) 0 / 1rem 100%
      no-repeat; }
  .ecg { --page: #fff; --shade: #0004; background-color: #fff; }
  .ecg > svg { mix-blend-mode: multiply; }  /* the shadow shows through the paper */
}
@media screen and (max-width: 700px) {
  body { margin: 1rem auto; padding: 0 .9rem; }
  .scroll { overflow-x: auto; } .scroll > svg { width: 44rem; max-width: none; }
}
footer { margin: 2.5rem 0 1rem; color: var(--quiet); font-size: .85rem; }
"""


def page(title: str, body: str, *, style: str = "") -> str:
    """An HTML page that needs no other file and no network.

    Parameters
    ----------
    title : str
        Heading and title, as plain text.
    body : str
        HTML: what `render` returns, or elements whose text is escaped.
    style : str
        CSS of this page alone.

    Returns
    -------
    str
        The page, with the statement that this is no medical device at its end.
    """
    heading = escape(title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{heading}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}{style}</style>
</head>
<body>
<h1>{heading}</h1>
{body}
<footer>Made by ecgfast {__version__}. {NOT_A_DEVICE}</footer>
</body>
</html>
"""


def render(template: str, **values: Any) -> str:
    """Fill a template of ``ecgfast/reports/templates``; every value is escaped.

    Parameters
    ----------
    template : str
        File name, such as ``"tables.html"``.
    **values
        What its names stand for; a name without a value is an error.

    Returns
    -------
    str
        HTML for the body of a `page`.

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    """
    return str(_environment().get_template(template).render(**values))


@cache
def _environment() -> Any:
    jinja2 = need("jinja2", "An HTML report", "report")
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ecgfast.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
