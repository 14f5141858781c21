"""The parser of the command line: help that wraps, suggestions, completion by the shell."""

from __future__ import annotations

import argparse
import os
import re
import textwrap
from collections.abc import Callable, Container, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from ..extras import need

__all__ = ["HelpFormatter", "Parser", "complete", "hanging"]

# What the shell's completion says of itself, and of the line so far.
_COMPLETING, _LINE = "_ARGCOMPLETE", "COMP_LINE"

_TERM = re.compile(r"( +\S+(?: \S+)*? {2,})(\S.*)")

_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wraps paragraphs of descriptions and lists of terms; commands stay on their lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip("\n").split("\n\n")
        return "\n\n".join(
            "\n".join(hanging(line, width) for line in paragraph.splitlines())
            if re.search(r"^ ", paragraph, re.MULTILINE)
            else argparse.HelpFormatter._fill_text(self, paragraph, width, indent)
            for paragraph in paragraphs
        )


def hanging(line: str, width: int) -> str:
    """Wrap an indented line of a term and, two spaces or more after it, what it means.

    Examples
    --------
    >>> print(hanging("  udp:PORT  datagrams of such lines", 28))
      udp:PORT  datagrams of
                such lines
    """
    row = _TERM.fullmatch(line)
    if row is None:
        return line
    below = " " * len(row[1])
    return textwrap.fill(row[2], width, initial_indent=row[1], subsequent_indent=below)


class Parser(argparse.ArgumentParser):
    """A parser whose errors name what was probably meant."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as `ArgumentParser` does; what is not known is an error here."""
        found, rest = super().parse_known_args(args, namespace)
        # A command's own parser knows its options; the one above it would only say that none fits.
        unknown = [text for text in rest if text.startswith("-") and text != "--"]
        if rest and self._subparsers is None:
            meant = self._options_like(unknown) or self._apart(args or (), rest)
            self.error(f"unrecognized arguments: {' '.join(rest)}{meant}")
        return found, rest

    def _apart(self, args: Sequence[str], rest: Sequence[str]) -> str:
        """Why a word that is no option was not taken: it follows a flag, or stands apart."""
        if any(text.startswith("-") for text in rest):
            return ""
        before = args[args.index(rest[0]) - 1] if rest[0] in args[1:] else ""
        option = self._option_string_actions.get(before)
        if option is not None and option.nargs == 0:
            return f"; {before} takes no value"
        listed = any(not a.option_strings and a.nargs in ("+", "*") for a in self._actions)
        return "; write all of them together, before the options" if listed else ""

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Convert as `ArgumentParser` does; its error would name the function that converts."""
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as error:
            if isinstance(error.__context__, (TypeError, ValueError)):
                whole = "whole number" if action.type is int else "number"
                raise argparse.ArgumentError(action, f"{arg_string!r} is no {whole}") from None
            raise

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and end with status 2."""
        choice = _CHOICE.search(message)
        if choice:
            names = [name.strip(" '") for name in choice[2].split(",")]
            message += _meant([choice[1]], names)
        super().error(message)

    def _options_like(self, unknown: Sequence[str]) -> str:
        names = [name for name in self._option_string_actions if name.startswith("--")]
        return _meant([text.partition("=")[0] for text in unknown], names)


def _meant(given: Iterable[str], names: Sequence[str]) -> str:
    """Say what is most like what was given, if anything is."""
    like = [match for text in given for match in get_close_matches(text, names, n=1)]
    return f"; did you mean {' and '.join(dict.fromkeys(like))}?" if like else ""


def complete(parser: Parser, commands: Container[str], configure: Callable[[str], object]) -> bool:
    """Answer the shell's completion, if that is what the command was started for.

    Parameters
    ----------
    parser : Parser
    commands : container of str
        Names of the commands.
    configure : callable
        Adds the arguments of a command to the parser.

    Returns
    -------
    bool
        False in every other case.

    Raises
    ------
    MissingExtraError
        If argcomplete is not installed: ``pip install 'ecgfast[completion]'``.
    """
    if _COMPLETING not in os.environ:
        return False
    argcomplete = need("argcomplete", "Completion by the shell", "completion")
    words = os.environ.get(_LINE, "").split()[1:]
    # Only the command on the line is imported: a key press must not wait for the others.
    named = next((word for word in words if word in commands), None)
    if named is not None:
        configure(named)
    argcomplete.autocomplete(parser, always_complete_options="long")
    return True
