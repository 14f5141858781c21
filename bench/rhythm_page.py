"""Write docs/rhythm.md: the definitions of rhythm events and their figures.

    python bench/rhythm_page.py $ECGFAST_DATA --output docs/rhythm.md --json docs/rhythm.json

The figures are those of ``ecgfast evaluate rhythm``, and of the choice of the settings that
``choose_fibrillation.py`` wrote; the text is ``rhythm.md.in`` beside this file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from choose_fibrillation import OUTPUT as CHOICE
from choose_fibrillation import tables as choice_tables

from ecgfast.cli.evaluate_rhythm import score
from ecgfast.cli.output import as_json
from ecgfast.reports.table import Table
from ecgfast.rhythm import DEFINITIONS

WORDS = Path(__file__).with_name("rhythm.md.in")


def definitions() -> str:
    """Table of all kinds of events with their rules and sources."""
    rows = [[f"`{kind}`", one.rule, one.source] for kind, one in DEFINITIONS.items()]
    return Table("", ["kind", "rule", "source"], rows, left=3).markdown()


def main() -> None:
    """Score, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds mitdb/, nsrdb/, ...")
    parser.add_argument("--output", type=Path, default=Path("docs/rhythm.md"))
    parser.add_argument("--json", type=Path, help="also write all figures")
    args = parser.parse_args()
    lines, tables, figures = score(args.data)
    parts = [" ".join(lines)]
    parts += [f"### {table.heading}\n\n{table.markdown()}" for table in tables]
    _, chosen, compared = choice_tables(json.loads(CHOICE.read_text("utf-8")))
    text = WORDS.read_text("utf-8").replace("{definitions}", definitions())
    for name, table in (("{choice}", chosen), ("{compared}", compared)):
        text = text.replace(name, table.markdown())
    args.output.write_text(text.replace("{figures}", "\n\n".join(parts)), "utf-8")
    if args.json is not None:
        args.json.write_text(json.dumps(as_json(figures), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
