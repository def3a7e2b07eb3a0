"""Positions of keys among ascending keys, compiled."""

from __future__ import annotations

from numba import njit

from models.ragged import Int64


@njit("void(i8[::1], i8[::1], i8[::1])", cache=True, nogil=True)
def positions(known: Int64, wanted: Int64, found: Int64) -> None:
    """Writes the position of each wanted key in the ascending `known` to `found`, -1 where it is absent.

    The search for a key starts where that for the key before ended and doubles its stride: ascending keys cost a step
    or two each in place of a search through all of `known`.
    """
    at = 0
    for i in range(len(wanted)):
        key = wanted[i]
        low, high = 0, at
        if at == 0 or known[at - 1] < key:
            low, high, stride = at, at, 1
            while high < len(known) and known[high] < key:
                low = high + 1
                high += stride
                stride *= 2
            high = min(high, len(known))
        while low < high:
            middle = (low + high) // 2
            if known[middle] < key:
                low = middle + 1
            else:
                high = middle
        at = low
        found[i] = at if at < len(known) and known[at] == key else -1
