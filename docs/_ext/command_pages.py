"""The command reference, from the parsers of the commands."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from written import escaped, write_pages

from ecgfast import benchmark
from ecgfast.cli import COMMANDS
from ecgfast.cli.parser import HelpFormatter, Parser, hanging

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the generator with Sphinx."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}


def _write(app: Sphinx) -> None:
    pages = {name: _page(_parser(name), summary) for name, summary in COMMANDS.items()}
    pages["ecgfast-bench"] = _page(benchmark._parser(), "measure this machine")
    write_pages(Path(app.srcdir) / "generated" / "commands", {"index": _index(pages), **pages})


def _parser(name: str) -> Parser:
    parser = Parser(prog=f"ecgfast {name}", formatter_class=HelpFormatter)
    importlib.import_module(f"ecgfast.cli.{name}").configure(parser)
    return parser


def _index(pages: dict[str, str]) -> str:
    summaries = {**COMMANDS, "ecgfast-bench": "measure this machine"}
    rows = "\n".join(f"| [{name}]({name}.md) | {escaped(summaries[name])} |" for name in pages)
    return f"""# Commands

Written from the parsers of the commands: what `ecgfast COMMAND --help` prints. Every command takes
`--debug`, which shows where an error came from. Exit status: 0 on success, 1 on a failure, which
one line on standard error explains, 2 on wrong use, 3 with `--strict` where no beat was found, 130
when interrupted.

| command | does |
| --- | --- |
{rows}

```{{toctree}}
:hidden:

{chr(10).join(pages)}
```
"""


def _page(parser: argparse.ArgumentParser, summary: str) -> str:
    formatter = parser._get_formatter()
    # Lines that go on stand below the first one, without "usage: " before it.
    usage = parser.format_usage().replace("\n" + " " * len("usage: "), "\n")
    usage = usage.removeprefix("usage: ").rstrip()
    parts = [f"# {parser.prog}", f"{summary[0].upper()}{summary[1:]}."]
    parts += ["```{code-block} text", usage, "```", "", _paragraphs(parser.description or "")]
    for group in parser._action_groups:
        actions = [
            action
            for action in group._group_actions
            if action.help != argparse.SUPPRESS and "--help" not in action.option_strings
        ]
        if actions:
            title = str(group.title or "").capitalize()
            parts += [f"## {title}", *(_argument(action, formatter) for action in actions)]
    if parser.epilog:
        parts += ["## Example", _epilog(parser.epilog)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _argument(action: argparse.Action, formatter: Any) -> str:
    metavar = formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
    if action.option_strings:
        names = ", ".join(
            f"`{option} {metavar}`" if action.nargs != 0 else f"`{option}`"
            for option in action.option_strings
        )
    else:
        names = f"`{formatter._metavar_formatter(action, action.dest)(1)[0]}`"
    text = " ".join(formatter._expand_help(action).split()) if action.help else ""
    return f"{names}\n: {escaped(text)}"


def _paragraphs(text: str) -> str:
    """Paragraphs as text; those with indented lines as they are."""
    return "\n\n".join(
        f"```{{code-block}} text\n{_rows(part)}\n```"
        if any(line.startswith(" ") for line in part.splitlines())
        else escaped(" ".join(part.split()))
        for part in text.strip("\n").split("\n\n")
    )


def _rows(part: str) -> str:
    return "\n".join(hanging(line, 98) for line in part.splitlines())


def _epilog(text: str) -> str:
    first, _, rest = text.strip("\n").removeprefix("example:\n").partition("\n\n")
    shown = "\n".join(line.removeprefix("  ") for line in first.splitlines())
    return "\n\n".join(filter(None, [f"```{{code-block}} text\n{shown}\n```", _paragraphs(rest)]))
