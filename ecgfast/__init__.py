"""ecgfast: beats with labels while they happen.

``from ecgfast import stream_classify`` is the main door; everything here is imported when first
used, so that ``import ecgfast`` itself costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgfast import hrv
    from ecgfast.archive import annotate_archive, classify_record
    from ecgfast.core import (
        BandpassFilter,
        BeatBatch,
        BeatStream,
        QRSDetector,
        WindowSpec,
    )
    from ecgfast.errors import (
        EcgfastError,
        InputError,
        MissingExtraError,
        MissingValuesWarning,
        ModelError,
        NoBeatsWarning,
        RecordError,
        StateError,
    )
    from ecgfast.records import Annotations, Record, read_record
    from ecgfast.rhythm import Event, EventKind, RhythmStream, Severity, events
    from ecgfast.runtime import Classifier
    from ecgfast.runtime.decision import Decision
    from ecgfast.streaming import (
        Beat,
        Quality,
        StreamingClassifier,
        detect_qrs,
        stream_beats,
        stream_classify,
        to_dataframe,
    )

__version__ = "0.1.0"

_HOMES = {
    "ecgfast.archive": ("annotate_archive", "classify_record"),
    "ecgfast.core": (
        "BandpassFilter", "BeatBatch", "BeatStream", "QRSDetector", "WindowSpec",
    ),
    "ecgfast.runtime.decision": ("Decision",),
    "ecgfast.errors": (
        "EcgfastError", "InputError", "MissingExtraError", "MissingValuesWarning",
        "ModelError", "NoBeatsWarning", "RecordError", "StateError",
    ),
    "ecgfast.records": ("Annotations", "Record", "read_record"),
    "ecgfast.rhythm": ("Event", "EventKind", "RhythmStream", "Severity", "events"),
    "ecgfast.runtime": ("Classifier",),
    "ecgfast.streaming": (
        "Beat", "Quality", "StreamingClassifier", "detect_qrs", "stream_beats",
        "stream_classify", "to_dataframe",
    ),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = ("hrv",)

__all__ = [
    "Annotations",
    "BandpassFilter",
    "Beat",
    "BeatBatch",
    "BeatStream",
    "Classifier",
    "Decision",
    "EcgfastError",
    "Event",
    "EventKind",
    "InputError",
    "MissingExtraError",
    "MissingValuesWarning",
    "ModelError",
    "NoBeatsWarning",
    "QRSDetector",
    "Quality",
    "Record",
    "RecordError",
    "RhythmStream",
    "Severity",
    "StateError",
    "StreamingClassifier",
    "WindowSpec",
    "__version__",
    "annotate_archive",
    "classify_record",
    "detect_qrs",
    "events",
    "hrv",
    "read_record",
    "stream_beats",
    "stream_classify",
    "to_dataframe",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(home), name)
    except ImportError as error:
        from .errors import NotBuiltError, is_not_built

        if not is_not_built(error):
            raise
        raise NotBuiltError from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
