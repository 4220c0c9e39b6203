"""Published measurements of large language models on GPUs: power, tokens/s, time between tokens.

Each is a logistic curve over the logarithm of the batch size b (requests that a replica serves at
once), as Liang et al. fit them, "GPU-to-Grid: Voltage Regulation via GPU Utilization Control"
(arXiv:2602.05116, 2026), to runs of The ML.ENERGY Benchmark v3 (arXiv:2505.06371) on NVIDIA H100:

    y(b) = base + height / (1 + exp(-steepness (log2 b - middle)))

The parameters are those of the `logistic_fits.csv` of that paper's data (repository
gpu2grid/openg2g, Apache-2.0). Power is of the GPUs of one replica alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SOURCE = ("ML.ENERGY Benchmark v3 on NVIDIA H100 (arXiv:2505.06371), logistic fits of OpenG2G "
          "(arXiv:2602.05116)")


@dataclass(frozen=True)
class Logistic:
    """A logistic curve over log2 of the batch size; see the module's text.

    Parameters
    ----------
    height, middle, steepness, base : float
    """

    height: float
    middle: float
    steepness: float
    base: float

    def at(self, batch):
        """The curve at batch sizes.

        Parameters
        ----------
        batch : array_like
            At least 1.

        Returns
        -------
        ndarray
        """
        x = np.log2(np.asarray(batch, dtype=float))
        return self.base + self.height / (1.0 + np.exp(-self.steepness * (x - self.middle)))


@dataclass(frozen=True, kw_only=True)
class LlmModel:
    """What one replica of a model draws and gives at each batch size.

    Parameters
    ----------
    gpus : int
        GPUs of a replica.
    watts, tokens, seconds : Logistic
        Power of its GPUs (W), tokens/s it gives, mean time between the tokens of a request (s).
    batch_min, batch_max : int
        Range of the measurements; nothing is read off beyond it.
    source : str
        Whose figures these are.
    """

    gpus: int
    watts: Logistic
    tokens: Logistic
    seconds: Logistic
    batch_min: int
    batch_max: int
    source: str = SOURCE

    def table(self) -> tuple[tuple[float, float, float, float], ...]:
        """Rows (batch, tokens/s, W, s), one for each batch size of the measured range.

        Returns
        -------
        tuple
        """
        batch = np.arange(self.batch_min, self.batch_max + 1)
        columns = (batch, self.tokens.at(batch), self.watts.at(batch), self.seconds.at(batch))
        return tuple(zip(*(column.tolist() for column in columns), strict=True))


LLM_MODELS: dict[str, LlmModel] = {
    "Llama-3.1-8B": LlmModel(
        gpus=1, batch_min=8, batch_max=1024,
        watts=Logistic(210.9196, 5.461538, 1.263848, 480.3972),
        tokens=Logistic(9383.467, 6.153846, 0.9249147, 771.2518),
        seconds=Logistic(0.08748363, 9.153846, 1.081181, 0.008524586)),
    "Llama-3.1-70B": LlmModel(
        gpus=4, batch_min=8, batch_max=2048,
        watts=Logistic(1154.002, 7.384615, 0.5790444, 1646.721),
        tokens=Logistic(7487.842, 6.871795, 0.676875, -115.8621),
        seconds=Logistic(0.333717, 11.23077, 0.676875, 0.015813)),
    "Llama-3.1-405B": LlmModel(
        gpus=8, batch_min=8, batch_max=512,
        watts=Logistic(1824.243, 5.692308, 1.081181, 3147.211),
        tokens=Logistic(2118.110, 5.897436, 1.263848, 231.5455),
        seconds=Logistic(0.1109387, 7.743590, 1.263848, 0.03484783)),
    "Qwen3-30B-A3B": LlmModel(
        gpus=2, batch_min=8, batch_max=512,
        watts=Logistic(443.2623, 3.435897, 0.676875, 521.7718),
        tokens=Logistic(16272.62, 10.0, 0.3101169, -798.0377),
        seconds=Logistic(0.2231499, 9.589744, 0.9249147, 0.01139309)),
    "Qwen3-235B-A22B": LlmModel(
        gpus=8, batch_min=8, batch_max=512,
        watts=Logistic(1130.439, 3.846154, 1.263848, 2551.575),
        tokens=Logistic(1400.905, 4.461538, 0.9249147, 102.0964),
        seconds=Logistic(0.6723338, 10.0, 0.9249147, 0.02532722)),
}
