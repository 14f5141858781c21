"""``ecgfast-bench``: how fast this machine takes samples to labelled beats.

``ecgfast-bench --json`` prints one object (schema 1):

==================  =================================================================
``schema``          1
``ecgfast``         version of this package
``when``            start of the run, ISO 8601, UTC
``machine``         ``cpu``, ``board``, ``cores``, ``governor``, ``mhz``, ``mhz_max``,
                    ``celsius_before``, ``celsius_after``, ``load_before``, ``system``,
                    ``python``, ``numpy``, ``runtimes`` (name to version); null where the
                    system does not tell
``signal``          ``name``, ``fs`` (Hz), ``leads``, ``seconds``, ``beats``, ``chunk``
                    (samples in a tenth of a second)
``stages``          by stage (``filter``, ``detector neural``, ``detector adaptive``,
                    ``detector pan-tompkins``, ``windower``, ``beat stream``):
                    ``ns_per_sample``, ``samples_per_s``, ``real_time_factor`` (all in blocks
                    of 10 s), and ``chunk_us``, what one
                    chunk takes: ``p50``, ``p95``, ``p99``, ``max``, in microseconds
``models``          by model, then form: ``bytes``, and by runtime ``load_ms``,
                    ``one_beat_us`` (``p50``, ``p95``, ``p99``, ``max``), ``batch_us_per_beat``;
                    or ``error``
``end_to_end``      by model, in its default form and runtime: ``form``, ``runtime``, ``beats``
                    (all passes), ``latency_us`` (from the arrival of the chunk that completes
                    a beat's window to its label; ``p50``, ``p95``, ``p99``, ``max``; chunks
                    come without a wait, so that caches are warm), ``chunk_us`` (every chunk),
                    ``ns_per_sample``, ``real_time_factor``,
                    ``core_share`` (of one core, 0 to 1, at live speed), ``first_beat_s`` (from
                    starting Python to the first label, the samples being there), ``import_ms``,
                    ``memory_bytes`` (most ever resident in that process)
``yardstick_us``    what fixed work in Python and NumPy took that has nothing to do with ecgfast
``rounds``          by place, such as ``stages / filter / ns_per_sample``: the figure of each round.
                    In a round everything is measured once, so that what slows the machine for a
                    while slows all alike
``cpu_share``       processor time over wall time while measuring; below 0.9 others took the core
``warnings``        what makes these figures doubtful
``compared``        with ``--compare``, by place: the new figure over the old one
``verdicts``        with ``--compare``, by place: ``ratio``, ``low`` and ``high`` of its 95 %
                    interval, and ``verdict``, as described below
``machine_verdict`` the same of the fixed work; null where there are no verdicts
``changed``         with ``--compare``: what of ``ecgfast``, processor, system and libraries
                    differs, each as it was then and is now
==================  =================================================================

``--compare OLD.json`` judges every figure that both results have rounds of. Its ratio is the median
of all ratios of a new to an old round, with the 95 % interval that belongs to the rank test of Mann
and Whitney. A figure is ``slower`` where the whole interval is above 1 + margin, ``faster`` where
it is below 1 / (1 + margin), ``same`` where it lies between them, and else ``unclear``: measure
again without --quick, on an idle machine. Where the machine itself is slower (or faster) on fixed
work, a figure counts as slower (or faster) only as far as it goes beyond that; and where others
took the core (``cpu_share`` below 0.9), only beyond what the lost share may explain. Results of
another processor, signal or version without rounds get ratios and no verdicts.

exit status: 0, also where nothing is slower; 3 with --compare where a figure is slower; 1 on a
failure; 2 on wrong use.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import __version__
from ..cli.completion import complete_by, models
from ..cli.errors import UsageError, guarded
from ..cli.options import example
from ..cli.output import as_json, print_json
from ..cli.parser import HelpFormatter, Parser, complete
from ..errors import InputError

__all__ = ["EXIT_SLOWER", "SCHEMA", "main"]

#: Version of the JSON layout.
SCHEMA = 1
#: Exit status where a comparison finds a figure slower.
EXIT_SLOWER = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ecgfast-bench``.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of this process by default.

    Returns
    -------
    int
        Exit status, as that of ``ecgfast``; 3 where a comparison finds a figure slower.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _run(given), "ecgfast-bench", debug="--debug" in given)


def _parser() -> Parser:
    parser = Parser(
        prog="ecgfast-bench",
        description="Measure each stage and the whole way from samples to labels on this machine.",
        epilog=example("ecgfast-bench --json > pi4.json; ecgfast-bench --compare pi4.json")
        + "\n\n"
        + _layout(str(__doc__).partition("\n\n")[2]),
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ecgfast {__version__}")
    parser.add_argument("--record", metavar="PATH", help="measure on this recording")
    parser.add_argument("--fs", type=float, metavar="HZ", help="its rate, where it carries none")
    model = parser.add_argument(
        "--model",
        action="append",
        metavar="NAME|FILE",
        help="measure this model only; may be repeated (default: every built-in one)",
    )
    complete_by(model, models, ".tflite", ".json")
    parser.add_argument("--quick", action="store_true", help="a rougher answer in a few seconds")
    parser.add_argument("--json", action="store_true", help="print JSON, as described below")
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="OLD.json",
        help="say what is slower, faster and the same as in this run of --json, as described below",
    )
    parser.add_argument(
        "--margin",
        type=_percent,
        metavar="PERCENT",
        help="with --compare: a difference up to this is none (default: 5)",
    )
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def _layout(text: str) -> str:
    """The table of the docstring as the list of terms that help wraps."""
    text = re.sub(r"^=.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\n {8,}(?=\S)", " ", text)  # a row of several lines
    row = re.compile(r"^``(\w+)``\s+(.*)", re.MULTILINE)
    return row.sub(lambda found: f"  {found[1]:<17}{found[2]}", text).replace("``", "")


def _run(given: list[str]) -> int:
    parser = _parser()
    if complete(parser, (), lambda _: None):
        return 0
    try:
        args = parser.parse_args(given)
    except SystemExit as done:  # argparse has said what is wrong, or given help
        return int(done.code or 0)
    if args.margin is not None and not args.compare:
        raise UsageError("--margin goes with --compare")
    from . import machine, measure, report
    from .compare import MARGIN, compare

    old = _load(args.compare) if args.compare else None
    tell = _teller()
    tell("making the signal")
    signal = measure.signal_for(args.record, args.fs, quick=args.quick)
    before = machine.describe()
    effort = measure.Effort(quick=args.quick)
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    models = args.model or measure.built_in()
    found = measure.measure(signal, models, effort, tell)
    tell("")
    after = machine.describe()
    result = {
        "schema": SCHEMA,
        "ecgfast": __version__,
        "when": when,
        "machine": machine.joined(before, after),
        "signal": signal.facts(),
        "stages": found.stages,
        "models": found.models,
        "end_to_end": found.end_to_end,
        "yardstick_us": found.yardstick_us,
        "rounds": found.rounds,
        "cpu_share": found.cpu_share,
        "warnings": machine.warnings(before, after, found.cpu_share),
    }
    # What is printed and what is compared are the same numbers as a file would hold.
    result = json.loads(json.dumps(as_json(result)))
    margin = MARGIN if args.margin is None else args.margin
    comparison = None if old is None else compare(old, result, margin)
    if args.json:
        if old is not None and comparison is not None:
            result["compared"] = report.ratios(old, result)
            result |= report.verdicts(comparison)
        print_json(result)
    else:
        print(report.table(result))
        if old is not None and comparison is not None:
            print()
            print(report.comparison(old, result, str(args.compare), comparison, margin))
    return EXIT_SLOWER if comparison is not None and comparison.slower else 0


def _percent(text: str) -> float:
    try:
        value = float(text.removesuffix("%")) / 100.0
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no share from 0 to below 100 %")
    return value


def _load(path: Path) -> dict[str, Any]:
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise InputError(f"{path}: is not JSON; give a file made by ecgfast-bench --json") from None
    if not isinstance(old, dict) or old.get("schema") != SCHEMA:
        raise InputError(f"{path}: is not a result of ecgfast-bench --json with schema {SCHEMA}")
    return old


def _teller() -> Any:
    """Say what is being measured, on a terminal only."""
    if not sys.stderr.isatty():
        return lambda _: None
    screen = getattr(sys.stderr, "stream", sys.stderr)  # which lets control characters pass
    return lambda text: print(f"\r\033[K{text}", end="", file=screen, flush=True)
