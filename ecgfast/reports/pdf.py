"""A page printed into a PDF file."""

from __future__ import annotations

import os
from typing import Any

from .._files import whole_file
from ..errors import InputError
from ..extras import need

__all__ = ["PDF_END", "write_pdf"]

#: How a PDF file of ours ends: a comment, which readers allow behind the end mark.
PDF_END = b"% a report of ecgfast\n"


def write_pdf(path: str | os.PathLike[str], html: str) -> None:
    """Print a page into a PDF file, whole or not at all.

    Parameters
    ----------
    path : str or path
    html : str
        As `recording_report` makes it.

    Raises
    ------
    InputError
        If the file cannot be written.
    MissingExtraError
        If WeasyPrint is not installed.
    """
    weasyprint = need("weasyprint", "A PDF report", "pdf")
    document = weasyprint.HTML(string=html, url_fetcher=_fetch_nothing)
    with whole_file(path) as file:
        document.write_pdf(file)
        file.write(b"\n" + PDF_END)


def _fetch_nothing(url: str, *_: Any, **__: Any) -> Any:
    raise InputError(f"{url[:80]}: a report holds everything itself")
