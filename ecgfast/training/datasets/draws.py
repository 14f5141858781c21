"""Random numbers of what is made for training."""

from __future__ import annotations

import zlib

import numpy as np

__all__ = ["random_for"]


def random_for(seed: int, purpose: str) -> np.random.Generator:
    """Numbers that depend on what they are for alone, not on what else is drawn.

    Parameters
    ----------
    seed : int
        Of the recipe.
    purpose : str
        What they are for, such as a recording and what is made of it.

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])
