"""What a model sees of a beat: known to the core, which cuts it, and to the cards of models."""

from __future__ import annotations

from typing import NamedTuple

from .deprecated import renamed_argument, warn_renamed

__all__ = ["WindowSpec"]


class _Fields(NamedTuple):
    grid_fs: float = 125.0
    before: int = 44
    after: int = 28
    kind: str = "beat"
    history: int = 1


class WindowSpec(_Fields):
    """What a model sees of each beat.

    Attributes
    ----------
    grid_fs : float
        Points a second, Hz.
    before : int
        Points before the R peak.
    after : int
        Points from the R peak on, the R peak included.
    kind : {"beat", "cycle", "strip"}
        ``"beat"``: the beat and, as a second channel, the patient's running dominant beat, in
        running QRS sizes. ``"cycle"``: 1.2 running RR intervals from R on, scaled to 0..1, then
        zeros (Kachuee et al., 2018); `before` is 0, up to 2 s. ``"strip"``: up to 10.5 s before R
        and 1 s after, in running QRS sizes. In beat and strip the usual deflection is upright.
    history : int
        Beats whose features a row holds, 1 to 64: this one last, the oldest first, zeros before
        the first beat. Of earlier beats the next RR interval is known.

    Examples
    --------
    >>> from ecgfast import WindowSpec
    >>> window = WindowSpec(grid_fs=100.0, before=25, after=50)
    >>> (window.before + window.after) / window.grid_fs             # seconds
    0.75
    """

    __slots__ = ()

    def __new__(
        cls,
        grid_fs: float = 125.0,
        before: int = 44,
        after: int = 28,
        kind: str = "beat",
        history: int = 1,
        *,
        form: str | None = None,
    ) -> WindowSpec:
        """Make one; `form` is the deprecated name of `kind`."""
        kind = renamed_argument("WindowSpec", "form", form, "kind", kind)
        return super().__new__(cls, grid_fs, before, after, kind, history)

    @property
    def form(self) -> str:
        """Deprecated: `kind`."""
        warn_renamed("WindowSpec.form", "WindowSpec.kind")
        return self.kind
