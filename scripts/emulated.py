"""What the pages of emulated processors share: running tools, and comparing counts with a page."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

Row = tuple[str, ...]

# Another release of the compiler gives other numbers; beyond this factor the code has changed.
TOLERANCE = 1.15


def run(*command: str | Path, limit: float = 120) -> str:
    """Standard output; ends the program where the command fails.

    Raises subprocess.TimeoutExpired after `limit` seconds.
    """
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=limit,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def installed(*tools: str) -> bool:
    """Whether all tools are installed; the first that is not is named on standard error."""
    for tool in tools:
        if shutil.which(tool) is None:
            print(f"{tool} is not installed", file=sys.stderr)
            return False
    return True


def table(columns: Row, alignment: Row, rows: Sequence[Row]) -> str:
    """A Markdown table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (columns, alignment, *rows))


def differences(
    page: Path, rows: Sequence[Row], names: int, counts: Mapping[int, str]
) -> list[str]:
    """What has grown beyond `TOLERANCE` or stands on one side only, a line each.

    Parameters
    ----------
    page : Path
        Markdown with the table that was written last.
    rows : sequence of tuple of str
        The same table, measured now.
    names : int
        So many cells at the beginning of a row name it.
    counts : mapping of int to str
        Columns that are compared, and their names.
    """
    recorded = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if len(cells) > max(counts) and cells[max(counts)][:1].isdigit():
            recorded[cells[:names]] = cells
    measured = {row[:names] for row in rows}
    found = [f"{', '.join(name)}: not measured" for name in recorded if name not in measured]
    for row in rows:
        name = ", ".join(row[:names])
        if row[:names] not in recorded:
            found.append(f"{name}: not in {page.name}")
            continue
        for k, column in counts.items():
            before = recorded[row[:names]][k]
            if float(row[k].replace(",", "")) > TOLERANCE * float(before.replace(",", "")):
                found.append(f"{name}: {column} {before} -> {row[k]}")
    return found
