"""Counts what an environment holds besides pip, and what it weighs; run it with that Python.

With two numbers, fails above so many distributions or so many MB (1e6 bytes). With --json, prints
the MB of each distribution as a JSON object, for ``bench/installs.py``.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import distributions


def weights() -> dict[str, float]:
    """MB of each distribution, the largest first."""
    sizes = {}
    for one in distributions():
        if one.name not in ("pip", "setuptools", "wheel"):
            paths = {path.locate() for path in one.files or ()}
            sizes[one.name] = sum(path.stat().st_size for path in paths if path.is_file()) / 1e6
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def main(arguments: list[str]) -> None:
    """Print distributions and MB; exit with a message if there are too many."""
    sizes = weights()
    if arguments == ["--json"]:
        print(json.dumps(sizes))
        return
    for name, size in sizes.items():
        print(f"{size:8.1f} MB  {name}")
    found = (len(sizes), sum(sizes.values()))
    print(f"{found[1]:8.1f} MB  in {found[0]} distributions")
    if any(value > float(limit) for value, limit in zip(found, arguments, strict=False)):
        sys.exit(f"that is more than {arguments[0]} distributions or {arguments[1]} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
