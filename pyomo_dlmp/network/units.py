"""From engineers' units to those of the models."""

from __future__ import annotations

KILO = 1000.0


def mega(kilo: float) -> float:
    """kW, kvar, kVA or kWh as MW, Mvar, MVA or MWh."""
    return kilo / KILO
