"""The progress bar of long work, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["progress_bar"]

T = TypeVar("T")


def progress_bar(items: Iterable[T], what: str, unit: str, *, show: bool) -> Iterable[T]:
    """Return the items, with a bar on standard error while they are taken.

    Parameters
    ----------
    items : iterable
    what : str
        The work, before the bar.
    unit : str
        What an item is.
    show : bool
        False for no bar; there is none either where standard error is not a terminal.

    Returns
    -------
    iterable
    """
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(items, desc=what, unit=unit, disable=None if show else True)
    return bar
