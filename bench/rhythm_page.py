"""Write docs/rhythm.md and .json: the definitions of rhythm events and their figures.

    python bench/rhythm_page.py $ECGFAST_DATA

The figures are those of ``ecgfast evaluate rhythm``, of ``flutter_events.py``, of the choice of the
settings that ``choose_fibrillation.py`` wrote, and of the databases left out by
``fibrillation_left_out.py``; the text is ``rhythm.md.in`` beside this file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from choose_fibrillation import OUTPUT as CHOICE
from choose_fibrillation import tables as choice_tables
from fibrillation_left_out import OUTPUT as LEFT_OUT
from fibrillation_left_out import table as left_out_table
from flutter_events import score as score_flutter

from ecgfast.cli.evaluate_rhythm import score
from ecgfast.cli.output import as_json
from ecgfast.reports.table import Table
from ecgfast.rhythm import DEFINITIONS

WORDS = Path(__file__).with_name("rhythm.md.in")


def definitions() -> str:
    """Table of all kinds of events with their rules and sources."""
    rows = [[f"`{kind}`", one.rule, one.source] for kind, one in DEFINITIONS.items()]
    return Table("", ["kind", "rule", "source"], rows, left=3).markdown()


def figures_of_text(tables: Sequence[Table]) -> dict[str, str]:
    """Figures of the tables that the text repeats, by the names that stand in it."""
    fibrillation, strips, rows, flutter, made, elsewhere = (
        next(one for one in tables if one.heading.startswith(heading)).rows
        for heading in (
            "Atrial fibrillation on mitdb",
            "Strips",
            "Rows of ventricular beats",
            "Ventricular flutter of",
            "Made fibrillation",
            "Ventricular flutter reported elsewhere",
        )
    )
    couplet, run = (
        next(row for row in rows if list(row[:2]) == ["detected", kind])
        for kind in ("couplet", "short run")
    )
    others = [row for row in elsewhere if row[0] != "bp"]
    return {
        "other_hours": f"{sum(float(row[1]) for row in others):.0f}",
        "other_events": f"{sum(int(row[2]) for row in others)}",
        "fibrillation_se": fibrillation[0][3],
        "fibrillation_p": fibrillation[0][4],
        "strips_f1": strips[0][4],
        "strips_other": f"{strips[0][6]} of {strips[0][5]}",
        "couplet_se": couplet[6],
        "couplet_p": couplet[7],
        "run_se": run[6],
        "run_p": run[7],
        "couplets_false": f"{int(couplet[4]) - int(couplet[5])} of {couplet[4]}",
        "runs_false": f"{int(run[4]) - int(run[5])} of {run[4]}",
        "flutter_s": flutter[0][2],
        "flutter_se": flutter[0][4],
        "flutter_p": flutter[0][5],
        "made_found": f"{made[0][2]} of {made[0][1]}",
    }


def main() -> None:
    """Score, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds mitdb/, nsrdb/, ...")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("docs/rhythm.md"),
        help="page; its figures go into a .json file of the same name",
    )
    args = parser.parse_args()
    lines, tables, figures = score(args.data)
    parts = [" ".join(lines)]
    of_flutter, figures["ventricular_flutter"] = score_flutter(args.data)
    parts += [f"### {table.heading}\n\n{table.markdown()}" for table in [*tables, *of_flutter]]
    _, chosen, compared = choice_tables(json.loads(CHOICE.read_text("utf-8")))
    text = WORDS.read_text("utf-8").replace("{definitions}", definitions())
    left_out = left_out_table(json.loads(LEFT_OUT.read_text("utf-8"))["without"])
    for name, table in (
        ("{choice}", chosen),
        ("{compared}", compared),
        ("{left_out}", left_out),
    ):
        text = text.replace(name, table.markdown())
    for name, figure in figures_of_text([*tables, *of_flutter]).items():
        assert f"{{{name}}}" in text, name
        text = text.replace(f"{{{name}}}", figure)
    args.output.write_text(text.replace("{figures}", "\n\n".join(parts)), "utf-8")
    figures_file = args.output.with_suffix(".json")
    figures_file.write_text(json.dumps(as_json(figures), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
