"""Studies over time that a script runs before its circuit is read.

Controls act in them: taps, switches and inverters stay as the last step leaves them. So they are
run as the script says, where that is a bounded work; the snapshot is what is read afterwards.
"""

from __future__ import annotations

MODES = {  # mode: what begins it, and steps unless the script says how many
    "daily": ("da", 24), "yearly": ("y", 8760), "dutycycle": ("du", 100), "peakday": ("p", 24),
    "dynamic": ("dy", 100),
}
SNAPSHOT = "snapshot"
OPTIONS = frozenset(("hour", "sec", "time", "stepsize", "h", "number"))
MOST_WORK = 3_000_000  # steps x elements: some seconds of the engine


def mode_of(text: str) -> str:
    """The solution mode that a word stands for, as the engine takes it by its first letters.

    Parameters
    ----------
    text : str
        As written.

    Returns
    -------
    str
        ``"snapshot"``, one of `MODES`, or "" for any other.
    """
    word = text.strip().lower()
    if word.startswith("s"):
        return SNAPSHOT
    return next((mode for mode, (begins, _) in MODES.items() if word.startswith(begins)), "")


class Study:
    """The solution mode of a script, as it goes on.

    Parameters
    ----------
    run : bool
        Whether studies over time are run at all.

    Attributes
    ----------
    mode : str
        As of `mode_of`.
    steps : int
        That the next `solve` would take in it.
    """

    def __init__(self, run: bool = True) -> None:
        self.run = run
        self.mode, self.steps = SNAPSHOT, 1

    def enter(self, text: str) -> str | None:
        """Take another mode.

        Parameters
        ----------
        text : str
            As written.

        Returns
        -------
        str or None
            The mode for the engine; None if it has none of ours.
        """
        self.mode = mode_of(text)
        if self.mode in MODES and not self.run:
            self.mode = ""
        self.steps = MODES[self.mode][1] if self.mode in MODES else 1
        return self.mode or None

    def take(self, option: str, value: str) -> None:
        """Note an option of time: how many steps there are.

        Parameters
        ----------
        option, value : str
            Of `set` or `solve`.
        """
        digits = value.strip()
        if option == "number" and digits.isdigit():
            self.steps = int(digits[:18])

    def runs(self, elements: int) -> bool:
        """Whether `solve` is run.

        Parameters
        ----------
        elements : int
            Elements of the circuit so far.

        Returns
        -------
        bool
        """
        return self.mode == SNAPSHOT or (
            self.mode in MODES and self.steps * max(elements, 1) <= MOST_WORK)
