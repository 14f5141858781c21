"""Groups of beats of similar shape, timing and predicted label; the same on every run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..extras import need

__all__ = ["GROUPS", "Group", "Question", "distances", "examples_of", "group_beats", "halve"]

#: Groups that a recording is divided into, where it has enough beats.
GROUPS = 40

_SEED = 0
_ROUNDS = 20


@dataclass(frozen=True)
class Group:
    """Beats of similar shape, timing and predicted label.

    Attributes
    ----------
    number : int
    size : int
        Beats.
    answer : str
        The label that a reviewer gave; empty if there is none.
    by : str
        Who.
    counts : dict of str to int
        Current labels of its beats.
    probabilities : dict of str to float
        Mean of the model's probabilities, as changed by answers about similar groups.
    rr, rr_next : float
        Median RR interval before and after, over the local rhythm; NaN where there is none.
    rate : float
        Beats per minute by the median RR interval before; NaN where there is none.
    """

    number: int
    size: int
    answer: str
    by: str
    counts: dict[str, int]
    probabilities: dict[str, float]
    rr: float
    rr_next: float
    rate: float


@dataclass(frozen=True)
class Question:
    """A group whose label is asked for.

    Attributes
    ----------
    group : Group
    worth : float
        How many labels an answer is expected to change.
    examples : tuple of int
        Indices of beats that show the group, the most typical first.
    """

    group: Group
    worth: float
    examples: tuple[int, ...]


def group_beats(described: npt.NDArray[np.float32], count: int = GROUPS) -> npt.NDArray[np.int64]:
    """Divide beats into groups (k-means; Arthur and Vassilvitskii, 2007, choose where it begins).

    Parameters
    ----------
    described : ndarray of float32, shape (n, d)
        As of `describe`.
    count : int
        Groups at most.

    Returns
    -------
    ndarray of int64, shape (n,)
        Group of each beat, numbered from 0 by size, the largest first.

    Raises
    ------
    MissingExtraError
        If SciPy is not installed.
    """
    vq = need("scipy.cluster.vq", "A review", "review")
    rows = described.astype(np.float64)
    if len(rows) == 0:
        return np.zeros(0, np.int64)
    centres = _first_centres(rows, min(count, len(rows)))
    _, own = vq.kmeans2(rows, centres, iter=_ROUNDS, minit="matrix", missing="warn")
    return _numbered(own)


def halve(described: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Divide the beats of one group in two.

    Parameters
    ----------
    described : ndarray of float32, shape (n, d)

    Returns
    -------
    ndarray of bool, shape (n,)
        The smaller part; nothing where all beats are alike.
    """
    part: npt.NDArray[np.bool_] = group_beats(described, 2) == 1
    return part


def distances(
    described: npt.NDArray[np.float32], centre: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Squared distance of each beat from a point.

    Parameters
    ----------
    described : ndarray of float32, shape (n, d)
    centre : ndarray, shape (d,)

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    apart = described - centre.astype(np.float32)
    found: npt.NDArray[np.float64] = np.einsum("ij,ij->i", apart, apart, dtype=np.float64)
    return found


def examples_of(
    described: npt.NDArray[np.float32], members: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.int64]:
    """Choose beats that show a group: from its middle to its edge.

    Parameters
    ----------
    described : ndarray of float32, shape (n, d)
        Of all beats.
    members : ndarray of int64, shape (m,)
        The group's.
    count : int
        How many, at most.

    Returns
    -------
    ndarray of int64
        The most typical first, the least typical last.
    """
    own = described[members]
    order = np.argsort(distances(own, own.mean(axis=0)), kind="stable")
    chosen = np.unique(np.linspace(0, len(members) - 1, min(count, len(members))).round())
    found: npt.NDArray[np.int64] = members[order[chosen.astype(np.int64)]]
    return found


def _first_centres(rows: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Centres far from each other: each drawn by the squared distance to those before it."""
    generator = np.random.default_rng(_SEED)
    chosen = [int(generator.integers(len(rows)))]
    nearest = ((rows - rows[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(1, count):
        total = float(nearest.sum())
        if total <= 0:  # fewer different beats than groups
            break
        at = int(np.searchsorted(np.cumsum(nearest), generator.random() * total, side="right"))
        chosen.append(min(at, len(rows) - 1))
        nearest = np.minimum(nearest, ((rows - rows[chosen[-1]]) ** 2).sum(axis=1))
    return rows[chosen]


def _numbered(own: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Groups by size, the largest first; empty ones have no number."""
    _, own, counts = np.unique(own, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    found: npt.NDArray[np.int64] = rank[own.ravel()]
    return found
