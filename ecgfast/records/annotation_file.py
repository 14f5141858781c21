"""A WFDB annotation file that grows during the recording."""

from __future__ import annotations

import os
from contextlib import suppress
from io import FileIO
from pathlib import Path

from .._files import open_through, write_whole
from ..errors import InputError, system_reason
from .record import check_fs
from .wfdb_annotations import END, encode_mark, encode_start, read_annotations

__all__ = ["AnnotationFile"]


class AnnotationFile:
    """Marks written as they are made, into a file that is whole after each of them.

    Unlike `write_annotations`, which puts a file in place when it is complete: a live recording
    cannot be repeated, so what was written must outlive a crash. Each mark goes out in one write,
    with the word that ends the file after it, over the previous end word; ``wfdb.rdann`` reads
    the file at any moment. A mark for which the disk has no room is taken back, so that the file
    ends after the last one that fitted. A pipe or a device gets the marks as they come, and the
    end word when it is closed.

    Parameters
    ----------
    path : str or path
        The file; its extension is the annotator's name, letters only.
    fs : float
        Sampling rate in Hz, stated in the file.
    replace : bool, default False
        Replace a file that exists; otherwise it is never touched.
    append : bool, default False
        Continue after the last mark of a file that exists.

    Raises
    ------
    InputError
        If the file exists, the extension is none, or the file cannot be written.

    Examples
    --------
    >>> with AnnotationFile("night.ecg", 250.0) as file:       # doctest: +SKIP
    ...     file.write(1034, "N")
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fs: float,
        *,
        replace: bool = False,
        append: bool = False,
    ) -> None:
        self.path = Path(path).expanduser()
        if not self.path.suffix[1:].isalpha():
            raise InputError(
                f"{self.path}: an annotation file needs an extension of letters, such as "
                f"{self.path.stem or 'record'}.ecg"
            )
        start = encode_start(check_fs(fs, str(self.path)))
        self._last = 0
        self._end = 0
        self._is_whole = False
        try:
            number = open_through(self.path)
            self._grows = number is None
            if number is not None:
                self._file = FileIO(number, "wb")
                self._put(start)
                return
            target = os.path.realpath(self.path)
            if append and Path(target).exists():
                marks = read_annotations(target)
                for sample, symbol, aux in zip(
                    marks.sample.tolist(), marks.symbol.tolist(), marks.aux.tolist(), strict=True
                ):
                    start += encode_mark(sample - self._last, symbol, aux)
                    self._last = sample
                replace = True
            if replace:
                write_whole(target, start + END)
                self._file = FileIO(target, "r+")
                self._end, self._is_whole = len(start), True
                return
            self._file = FileIO(target, "x")
        except FileExistsError:
            raise InputError(
                f"{self.path}: is there already, and a live recording is not written over "
                "another; choose another name"
            ) from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({system_reason(error)})") from None
        try:
            self._put(start)
        except BaseException:
            self._file.close()
            Path(target).unlink(missing_ok=True)
            raise

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
                f"{self.path}: a mark at sample {sample} after one at {self._last}: "
                "write marks in order"
            )
        self._put(encode_mark(sample - self._last, symbol, aux))
        self._last = sample

    def _put(self, data: bytes) -> None:
        left = memoryview(data + END if self._grows else data)
        try:
            if self._grows:
                self._file.seek(self._end)
            self._is_whole = False
            while left:  # a disk that becomes full takes a part, and says so the next time
                left = left[self._file.write(left) or 0 :]
        except BrokenPipeError:
            raise
        except OSError as error:
            self._take_back()
            raise InputError(f"{self.path}: cannot be written ({system_reason(error)})") from None
        self._end += len(data)
        self._is_whole = True

    def _take_back(self) -> None:
        """End the file after its last whole mark: that needs no room, the word is there."""
        if self._grows and self._end:
            with suppress(OSError):
                self._file.seek(self._end)
                self._file.write(END)
                self._file.truncate()

    def close(self) -> None:
        """Close the file, on the disk itself.

        Raises
        ------
        InputError
            If the disk does not take what was written.
        """
        if self._file.closed:
            return
        try:
            with self._file:
                if not self._grows:
                    self._file.write(END)
                    return
                if not self._is_whole:  # a second Ctrl-C cut a write
                    self._take_back()
                os.fsync(self._file.fileno())
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({system_reason(error)})") from None

    def __enter__(self) -> AnnotationFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
