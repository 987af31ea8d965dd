"""Suppliers whose emissions per unit are unlike their peers'.

The modified z-score of Iglewicz and Hoaglin (How to Detect and Handle Outliers, ASQC, 1993): 0.6745 x (x - median) /
MAD, an outlier above 3.5. Of the logarithm, since intensities are log-normal: ten times as much counts as a tenth.
"""

from math import sqrt

import numpy as np

from vcci_engine.activities import FloatArray, Positions
from vcci_engine.uncertainty import SIGMA2_BASIC

FEWEST_PEERS = 5  # below, a median says little
THRESHOLD = 3.5
MAD_OF_SIGMA = 0.6745  # MAD / standard deviation of a normal distribution
LEAST_SIGMA = sqrt(SIGMA2_BASIC)  # peers with one factor are equal: no factor is known better than this


def scores(intensity: FloatArray, peers: Positions) -> tuple[FloatArray, FloatArray]:
    """Return the z-score and the median of its peers for each of N intensities (above 0).

    peers[n] is the number of the group that it is compared with, itself included. NaN in groups of fewer than five.
    """
    z, median = np.full(len(intensity), np.nan), np.full(len(intensity), np.nan)
    order = np.argsort(peers, kind="stable")
    starts = np.flatnonzero(np.diff(peers[order], prepend=-1))
    for members in np.split(order, starts[1:]):
        if len(members) >= FEWEST_PEERS:
            z[members], median[members] = _scored(intensity[members])
    return z, median


def _scored(intensity: FloatArray) -> tuple[FloatArray, float]:
    logarithm = np.log(intensity)
    distance = logarithm - np.median(logarithm)
    sigma = max(float(np.median(np.abs(distance))) / MAD_OF_SIGMA, LEAST_SIGMA)
    return distance / sigma, float(np.median(intensity))
