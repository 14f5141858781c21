"""A live process in small, for `measure.start_up`: import, load, label a minute, tell memory.

Arguments: a .npy file of samples, its sampling rate in Hz, a model. The first line of output comes
with the first label; the second is a JSON object with ``import_ms`` and ``memory_bytes``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter


def most_resident() -> int | None:
    """Bytes that were resident at most, of this program and not of its parent."""
    try:
        # ru_maxrss would start from the size of the process that forked this one.
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # macOS: in bytes


def run(file: str, fs: float, model: str) -> None:
    """Label the samples in `file`, as a live source would deliver them."""
    import numpy as np

    begin = perf_counter()
    from ecgfast.runtime import Classifier
    from ecgfast.streaming import StreamingClassifier

    imported = perf_counter() - begin
    signal = np.load(file)
    classifier = Classifier(model)
    labeller = StreamingClassifier(
        classifier, fs, n_leads=signal.shape[1], lookahead=classifier.lookahead
    )
    step = max(1, round(0.1 * fs))
    reported = False
    for a in range(0, len(signal), step):
        if labeller.process(signal[a : a + step]) and not reported:
            reported = True
            print("first", flush=True)
    if reported:
        print(json.dumps({"import_ms": 1e3 * imported, "memory_bytes": most_resident()}))


if __name__ == "__main__":
    run(sys.argv[1], float(sys.argv[2]), sys.argv[3])
