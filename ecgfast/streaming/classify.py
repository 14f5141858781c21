"""The whole way: samples in, labelled beats out, each as soon as it can be known."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain
from math import isfinite, nan
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from ..core import BeatBatch
from ..deprecated import renamed_argument
from ..errors import InputError, ModelError, no_card
from ..exclusive import Exclusive, exclusive
from ..inputs import samples_of
from ..runtime.corrections import Corrections, model_of
from ..runtime.decision import Decision, LabelRule, class_probabilities
from ..sources.chunks import Leads, Source, open_source
from .average import mean_over_leads, n_labelled_leads, quality_over_leads
from .beat import Beat, Quality
from .lead_signal import leads_to_label
from .lead_windows import LeadWindows
from .nothing import beats_of

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["StreamingClassifier", "rule_of_beats", "stream_classify"]

_RATE_BEATS = 8
# Beats back to which one can be corrected: about an hour.
_MOST_BEATS = 4096


def rule_of_beats(
    classifier: Classifier, lookahead: int = 0, decision: Decision | None = None
) -> LabelRule:
    """How the beats of a stream get their labels; refuses what cannot run on any stream.

    Parameters
    ----------
    classifier : Classifier
    lookahead : {0, 1}
    decision : Decision, optional
        As for `StreamingClassifier`.

    Returns
    -------
    LabelRule

    Raises
    ------
    InputError
        If `lookahead` is no number of beats.
    ModelError
        If the model does not run beat by beat, or not like this.
    """
    if not isinstance(lookahead, (int, np.integer)) or lookahead not in (0, 1):
        raise InputError(f"lookahead must be 0 or 1 beats, got {lookahead!r}")
    if isinstance(classifier, (str, Path)):
        raise InputError(
            f"classifier is {classifier!r}: give the model, Classifier({classifier!r})"
        )
    if decision is not None and not isinstance(decision, Decision):
        raise InputError(
            f"decision is {decision!r}: give a Decision, such as Decision(reject=0.05)"
        )
    if classifier.window is None and classifier.card is None:
        raise no_card(classifier.path, "its beat window")
    if classifier.window is None:
        raise ModelError(
            f"{classifier.path}: its card tells no beat window: it does not run beat by beat; "
            "use it with Classifier, or give its task's CardFacts a window and train again"
        )
    if lookahead < classifier.lookahead:
        raise ModelError(
            f"{classifier.path}: needs the next RR interval: use lookahead={classifier.lookahead}"
        )
    return (decision or Decision()).rule(classifier, lookahead)


class StreamingClassifier:
    """Samples of one stream in, labelled beats out: `BeatStream` and `Classifier` together.

    Parameters
    ----------
    classifier : Classifier
        The model; its card tells the window that the stream has to cut.
    fs : float
        Sampling rate, 99.5 to 2010 Hz.
    n_leads : int
        Leads in each chunk; R peaks are found on all of them.
    average_leads : bool, optional
        Which of them are classified: False the first one, True each of them, and the results are
        averaged. By default the first two, where there are two and the model labels beats;
        ``docs/beats-leads.md`` of the sources compares that with one lead. A lead that is off
        around a beat is left out. Each further lead costs its windows and an inference.
    lookahead : {0, 1}
        1 waits for the next RR interval, which the model then uses.
    method : {"neural", "adaptive", "pan-tompkins"}
        How R peaks are found; see `QRSDetector`.
    max_delay : float, optional
        Longest time from an R peak to its report in seconds, at least 0.35: for alarms. Doubtful
        beats are then decided on less of what follows.
    decision : Decision, optional
        How probabilities become labels; by default the most probable class is reported.
    label_leads : sequence of int, optional
        Columns of the leads that are classified, in place of the first ones: those that carry a
        signal, where that is known before the stream begins.

    Attributes
    ----------
    classifier : Classifier
    stream : BeatStream
    n_labelled : int
        Leads that are classified; 0 without a model.
    labelled : tuple of int
        Their columns.
    passed_over : tuple of int
        Columns of the leads that would be classified but for `label_leads`.
    rule : LabelRule
        What `decision` came to with this model.
    corrections : Corrections or None
        What `correct` has learnt of this patient; it can be pickled, and set to go on with it:
        those of another model are refused. None for a model that gives numbers.
    in_use : Exclusive
        Held by each call, as is the classifier's: both before any sample is taken.

    Raises
    ------
    InputError
        If a parameter cannot be used.
    ModelError
        If the model has no card, needs to look further ahead, or does not offer what is wanted.
    StateError
        By every method, while another thread uses it or its classifier; by `process`, after
        `flush`.

    Notes
    -----
    `flush` ends the stream: after it, `flush` returns nothing more, `process` raises `StateError`,
    and `reset` begins a new stream.

    Examples
    --------
    >>> from ecgfast import Classifier, StreamingClassifier
    >>> from ecgfast.records import demo_record
    >>> record = demo_record()
    >>> labeller = StreamingClassifier(Classifier(), record.fs)
    >>> beats = []
    >>> for begin in range(0, record.n_samples, 360):
    ...     beats += labeller.process(record.signal[begin : begin + 360, 0])
    >>> beats += labeller.flush()
    >>> len(beats), beats[8].label
    (73, 'V')
    """

    in_use: Exclusive

    @exclusive
    def __init__(
        self,
        classifier: Classifier,
        fs: float,
        *,
        n_leads: int = 1,
        average_leads: bool | None = None,
        lookahead: int = 0,
        method: Literal["neural", "adaptive", "pan-tompkins"] = "neural",
        max_delay: float | None = None,
        decision: Decision | None = None,
        label_leads: Sequence[int] | None = None,
        leads: int | None = None,
    ) -> None:
        n_leads = renamed_argument(
            "StreamingClassifier", "leads", leads, "n_leads", n_leads, stacklevel=4
        )
        self.rule = rule_of_beats(classifier, lookahead, decision)
        assert classifier.window is not None  # else it was refused
        self.classifier = classifier

        wanted = n_labelled_leads(classifier, n_leads, average_leads)
        columns = tuple(range(max(1, wanted))) if label_leads is None else tuple(label_leads)
        if not columns or len(set(columns)) < len(columns):
            raise InputError(f"label_leads={label_leads!r}: give each lead's column once")
        self.labelled = columns if wanted else ()
        self.n_labelled = len(self.labelled)
        self.passed_over = tuple(lead for lead in range(wanted) if lead not in columns)
        self._leads = LeadWindows(
            fs,
            columns,
            n_leads=n_leads,
            method=method,
            max_delay=max_delay,
            lookahead=lookahead,
            window=classifier.window,
        )
        self.stream = self._leads.first
        self._recent_rr: deque[float] = deque(maxlen=_RATE_BEATS)
        self._with_features = "features" in classifier.input_shapes
        self._uncorrected: dict[int, list[float]] = {}
        self._corrections: Corrections | None = None
        if classifier.output != "value" and len(classifier.classes) > 1:
            self._corrections = Corrections(classifier.classes, model_of(classifier))

    @property
    def corrections(self) -> Corrections | None:
        """What `correct` has learnt of this patient."""
        return self._corrections

    @corrections.setter
    def corrections(self, learnt: Corrections) -> None:
        if self._corrections is None:
            raise InputError(f"{self.classifier.path}: gives numbers, no classes to correct")
        if not isinstance(learnt, Corrections):
            raise InputError(f"corrections is {learnt!r}: give those of another stream")
        learnt.check_of(self.classifier.classes, model_of(self.classifier))
        self._corrections = learnt

    @exclusive
    def process(self, chunk: Any) -> list[Beat]:
        """Take the next samples.

        Parameters
        ----------
        chunk : array_like of shape (n,) or (n, n_leads), Record, or iterable
            ECG in mV (any gain works). The items of an iterable are numbers or chunks.

        Returns
        -------
        list of Beat
            The beats that can be known now.

        Raises
        ------
        InputError
            If the samples cannot be used.
        StateError
            If the stream has ended, or another thread uses it or its classifier.
        """
        samples = samples_of(chunk, self.stream.n_leads, self.stream.fs)
        with self.classifier.in_use:
            return self._label(self._leads.process(samples))

    @exclusive
    def flush(self) -> list[Beat]:
        """End the stream.

        Returns
        -------
        list of Beat
            The beats that were still waiting for signal or context; none where the stream has
            ended already.
        """
        with self.classifier.in_use:
            return self._label(self._leads.flush())

    @exclusive
    def correct(self, beat: Beat, label: str) -> None:
        """Learn the class of a beat from somebody who knows it; later beats of the patient gain.

        One offset for each class is fitted anew (see `Corrections`). What gains most is to correct,
        or to confirm, beats whose classes were least certain. Beats that were reported already stay
        as they are.

        Parameters
        ----------
        beat : Beat
            One that this stream reported, of the last 4096.
        label : str
            Its class.

        Raises
        ------
        InputError
            If the model gives numbers or has no such class, or the beat is not one of those.
        StateError
            If another thread uses the stream.

        Examples
        --------
        >>> from ecgfast import Classifier, StreamingClassifier
        >>> from ecgfast.records import demo_record
        >>> record = demo_record()
        >>> labeller = StreamingClassifier(Classifier(), record.fs)
        >>> beats = labeller.process(record.signal[:5000, 0])
        >>> labeller.correct(min(beats, key=lambda beat: beat.probability), "N")
        >>> len(labeller.corrections)
        1
        """
        if self.corrections is None:
            raise InputError(f"{self.classifier.path}: gives numbers, no classes to correct")
        if beat.sample not in self._uncorrected:
            raise InputError(
                f"no beat at sample {beat.sample} among the last {_MOST_BEATS:,} of this stream"
            )
        self.corrections.add(self._uncorrected[beat.sample], label)

    @exclusive
    def reset(self) -> None:
        """Forget the past, corrections too: the next sample is sample 0."""
        self._leads.reset()
        self._recent_rr.clear()
        self._uncorrected.clear()
        if self.corrections is not None:
            self._corrections = Corrections(self.corrections.classes, self.corrections.model)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a StreamingClassifier holds a runtime and cannot be pickled or copied: pickle a "
            "BeatStream instead, and label its batches with Classifier"
        )

    def _label(self, batches: list[BeatBatch]) -> list[Beat]:
        batch = batches[0]
        if not len(batch):
            return []
        if len(batches) == len(batch) == 1:
            row = batch.features[0] if self._with_features else None
            output = self.classifier.predict_one(batch.windows[0], row)
            return [self._beat(batch, 0, output, batch.quality)]
        # The same bits as one by one: a label does not depend on which beats came with it.
        outputs, quality = mean_over_leads(self.classifier, batches), quality_over_leads(batches)
        return [self._beat(batch, i, output, quality) for i, output in enumerate(outputs)]

    def _beat(
        self,
        batch: BeatBatch,
        i: int,
        output: npt.NDArray[np.float32],
        quality: npt.NDArray[np.uint32],
    ) -> Beat:
        rr = float(batch.rr[i])
        if isfinite(rr):
            self._recent_rr.append(rr)
        sample = int(batch.sample[i])
        return Beat(
            sample=sample,
            time=sample / self.stream.fs,
            rr=rr,
            heart_rate=60.0 / median(self._recent_rr) if self._recent_rr else float("nan"),
            quality=Quality(int(quality[i])),
            **self._told(output, sample),
        )

    def _told(self, output: npt.NDArray[np.float32], sample: int) -> dict[str, Any]:
        """What the model says of a beat: a class with its probability, or numbers."""
        classes = self.classifier.classes
        if self.classifier.output == "value":
            values = dict(zip(classes, output.tolist(), strict=True))
            return {"label": "", "probability": nan, "probabilities": {}, "outputs": values}
        if not classes:
            return {"label": "", "probability": nan, "probabilities": {}}
        probabilities = class_probabilities(output, classes)
        self._uncorrected[sample] = probabilities
        if len(self._uncorrected) > _MOST_BEATS:
            del self._uncorrected[next(iter(self._uncorrected))]
        if self.corrections:
            probabilities = self.corrections(probabilities).tolist()
        label, probability = self.rule(probabilities)
        return {
            "label": label,
            "probability": probability,
            "probabilities": dict(zip(classes, probabilities, strict=True)),
        }


def stream_classify(
    source: Source,
    fs: float | None = None,
    *,
    model: str | os.PathLike[str] | Classifier = "beats",
    lookahead: int = 0,
    leads: Leads | None = None,
    average_leads: bool | None = None,
    num_threads: int = 1,
    method: Literal["neural", "adaptive", "pan-tompkins"] = "neural",
    max_delay: float | None = None,
    decision: Decision | None = None,
) -> Iterator[Beat]:
    """Label heartbeats while they happen.

    Parameters
    ----------
    source : path, Record, array or iterable
        A recording's path (WFDB, EDF, BDF, CSV, NumPy); a `Record`; an array of shape (n,) or
        (n, n_leads) in mV, or a DataFrame, whose columns are leads by name; or any iterable, such
        as a generator that reads a device, of single numbers, of chunks (k,) of one lead or
        (k, n_leads), of one sample of each lead, or of (time, value) pairs, whose gaps become
        missing samples. Where samples do not come as `fs` says, or stop, the logger ``ecgfast``
        warns.
    fs : float, optional
        Sampling rate in Hz, 99.5 to 2010; needed only where the source does not carry it.
    model : str, path or Classifier
        A built-in model's name, or a .tflite file with its card beside it; "none" finds beats and
        labels none. A loaded model serves many sources, one at a time, with its own `num_threads`.
    lookahead : {0, 1}
        0 labels a beat as soon as its window is complete (R peak + 0.25 s); 1 waits for the next
        R peak (3 s at most) and uses that RR interval.
    leads : str, int or sequence of them, optional
        Which leads to use; R peaks are found on all of them, the first two are classified. Leads of
        a stored recording or an array that carry no signal, or hardly any, are passed over; of a
        live source that cannot be known.
    average_leads : bool, optional
        False classifies the first lead alone, True each of them; see `StreamingClassifier`.
    num_threads : int
        Threads of the TFLite interpreter.
    method : {"neural", "adaptive", "pan-tompkins"}
        How R peaks are found; see `QRSDetector`.
    max_delay : float, optional
        Longest time from an R peak to its report in seconds, at least 0.35: for alarms. Doubtful
        beats are then decided on less of what follows.
    decision : Decision, optional
        How probabilities become labels: thresholds by sensitivity or positive predictivity, and
        what share of beats may be rejected; by default the most probable class is reported.

    Returns
    -------
    iterator of Beat
        Each beat is yielded as soon as it can be known; how the source cuts its chunks changes
        nothing, bit for bit.

    Raises
    ------
    InputError
        If an argument or the samples cannot be used.
    RecordError
        If the recording cannot be read.
    ModelError
        If the model cannot be used.
    MissingRuntimeError
        If the model needs a TFLite runtime, and none is installed.

    Warns
    -----
    NoBeatsWarning
        At the end of a source of three seconds or more without a beat; it says what to check.

    Examples
    --------
    >>> from ecgfast import stream_classify
    >>> for beat in stream_classify("mitdb/208"):  # doctest: +SKIP
    ...     print(beat.time, beat.label, beat.probability, beat.rr)
    """
    from ..runtime.classifier import loaded

    opened = open_source(source, fs, leads, watch=True)
    classifier = loaded(model, num_threads)
    labeller = StreamingClassifier(
        classifier,
        opened.fs,
        n_leads=len(opened.leads),
        average_leads=average_leads,
        lookahead=lookahead,
        method=method,
        max_delay=max_delay,
        decision=decision,
        label_leads=leads_to_label(opened, classifier, average_leads),
    )
    return chain.from_iterable(beats_of(opened, labeller))
