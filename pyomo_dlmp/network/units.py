"""From engineers' units to those of the models."""

from __future__ import annotations

KILO = 1000.0


def mega(kilo: float) -> float:
    """From kilo- to megaunits.

    Parameters
    ----------
    kilo : float
        In kW, kvar, kVA or kWh.

    Returns
    -------
    float
        In MW, Mvar, MVA or MWh.
    """
    return kilo / KILO
