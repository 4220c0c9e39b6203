"""Tables of scenarios and of what has been, which tests share."""

import numpy as np
import pandas as pd


def day_table() -> pd.DataFrame:
    """Two scenarios of three periods."""
    return pd.DataFrame({
        "scenario": ["a"] * 3 + ["b"] * 3, "probability": [0.4] * 3 + [0.6] * 3,
        "period": [0, 1, 2] * 2, "price": [30.0, 50, 40, 20, 80, 60],
        "energy_mwh": [0.2, 0.2, 0.1, 0.3, 0.2, 0.2]})


def history(days: int, seed: int = 1) -> pd.DataFrame:
    """Hours of prices, loads and sun that differ from day to day."""
    rng = np.random.default_rng(seed)
    hour = np.tile(np.arange(24), days)
    level, noise = np.repeat(rng.normal(0, 1, days), 24), rng.normal(0, 3, 24 * days)
    cloud = np.repeat(rng.uniform(0.2, 1, days), 24)
    return pd.DataFrame({
        "time": pd.date_range("2025-01-01", periods=24 * days, freq="h"),
        "price": 45 + 12 * np.sin((hour - 8) * np.pi / 12) + 10 * level + noise,
        "load_scale": 0.7 + 0.2 * np.sin((hour - 9) * np.pi / 12) + 0.04 * level,
        "available.pv": cloud * np.clip(np.sin((hour - 6) * np.pi / 12), 0, None)})
