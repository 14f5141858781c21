"""A WFDB annotation file that grows while the recording goes on."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from ..errors import InputError
from .mit import END, encode_mark, encode_start
from .record import check_fs

__all__ = ["AnnotationFile"]


class AnnotationFile:
    """Marks written as they are made, into a file that is whole after each of them.

    Unlike `write_annotations`, which puts a file in place when it is complete: a live recording
    cannot be repeated, so what was written must outlive a crash. Each mark goes out in one write,
    together with the word that ends the file, over the end word before it; ``wfdb.rdann`` reads
    the file at any moment. A file that exists is never touched.

    Parameters
    ----------
    path : str or path
        The new file; its extension is the annotator's name, letters only.
    fs : float
        Sampling rate in Hz, stated in the file.

    Raises
    ------
    InputError
        If the file exists, the extension is none, or the file cannot be written.

    Examples
    --------
    >>> with AnnotationFile("night.ecg", 250.0) as file:       # doctest: +SKIP
    ...     file.write(1034, "N")
    """

    def __init__(self, path: str | os.PathLike[str], fs: float) -> None:
        self.path = Path(path).expanduser()
        if not self.path.suffix[1:].isalpha():
            raise InputError(
                f"{self.path}: an annotation file needs an extension of letters, such as "
                f"{self.path.stem or 'record'}.ecg"
            )
        start = encode_start(check_fs(fs, str(self.path)))
        try:
            self._file = self.path.open("xb", buffering=0)
        except FileExistsError:
            raise InputError(
                f"{self.path}: is there already, and a live recording is not written over "
                "another; choose another name"
            ) from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror})") from None
        self._last = 0
        self._end = 0
        self._put(start)

    def write(self, sample: int, symbol: str, aux: str = "") -> None:
        """Add a mark.

        Parameters
        ----------
        sample : int
            Sample index in the recording, not before the last mark.
        symbol : str
            PhysioNet's one-character code.
        aux : str
            Text to go with it.

        Raises
        ------
        InputError
            If `sample` falls, the symbol has no code, or the disk is full.
        """
        if sample < self._last:
            raise InputError(
                f"{self.path}: a mark at sample {sample} after one at {self._last}; marks go on"
            )
        self._put(encode_mark(sample - self._last, symbol, aux))
        self._last = sample

    def _put(self, data: bytes) -> None:
        try:
            self._file.seek(self._end)
            written = self._file.write(data + END)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror})") from None
        if written != len(data) + len(END):
            raise InputError(f"{self.path}: cannot be written further; is the disk full?")
        self._end += len(data)

    def close(self) -> None:
        """Close the file, on the disk itself."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> AnnotationFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
