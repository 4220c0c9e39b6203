"""What a command does now, from its first moment on: a live line on a terminal, else plain ones.

Only rich is imported here, so that the first words come before the package is loaded.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

T = TypeVar("T", bound="Live")
EVERY = 1.8  # seconds without a word after which the last one is said again


class Lines:
    """Plain lines of a long run, where the output is no terminal: never silent for 2 seconds.

    A context manager. A thread says the last line again, with the time, while nothing new comes;
    it only prints.

    Parameters
    ----------
    console : Console
    start : float
        Time of ``time.monotonic`` from which the printed seconds count.
    """

    def __init__(self, console: Console, start: float):
        self.console, self.start = console, start
        self._last: tuple[str, ...] = ()
        self._text, self._said = "", time.monotonic()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Lines:
        if not self.console.is_terminal:
            self._thread = threading.Thread(target=self._repeat, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(EVERY)

    def say(self, text: str, *step: str, always: bool = False) -> None:
        """The next line.

        Parameters
        ----------
        text : str
        *step : str
            What it is a line of: a further line of the same is said after a while only.
        always : bool
            Whether it is said on a terminal, too.
        """
        new, self._last, self._text = step != self._last, step, text
        wanted = always or not self.console.is_terminal
        if wanted and (new or time.monotonic() - self._said > EVERY):
            self._print()

    def _repeat(self) -> None:
        while not self._ended.wait(EVERY / 9):
            if self._text and time.monotonic() - self._said > EVERY:
                self._print()

    def _print(self) -> None:
        self._said = now = time.monotonic()
        self.console.print(f"{now - self.start:6.1f} s  {self._text}", highlight=False,
                           markup=False, soft_wrap=True)


class Live:
    """A bar on a terminal, lines elsewhere: begun and ended together, a context manager.

    Its classes give it `console`, `lines` and `bar`.
    """

    console: Console
    lines: Lines
    bar: Progress

    def __enter__(self: T) -> T:
        self.lines.__enter__()
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.lines.__exit__()
        if self.console.is_terminal:
            self.bar.stop()


class Stages(Live):
    """What is being done, one stage after the other: a live line on a terminal, else plain ones.

    A context manager; the object inside it is called with each stage.

    Parameters
    ----------
    console : Console
        Of the command's answer. Where that is no terminal, stages go to the standard error stream,
        so that a table in a file holds nothing else.
    log : bool
        Whether they stay with the answer, which is a log.
    """

    def __init__(self, console: Console, log: bool = False):
        if not (console.is_terminal or log):
            console = Console(file=sys.stderr, width=console.width)
        self.console = console
        self.start = time.monotonic()
        self.lines = Lines(console, self.start)
        self.bar = Progress(SpinnerColumn(), TimeElapsedColumn(),
                            TextColumn("{task.description}", markup=False),
                            console=console, transient=True)
        self.task = self.bar.add_task("", total=None)

    def __call__(self, stage: str) -> None:
        """Show the next stage.

        Parameters
        ----------
        stage : str
            "stage: how far it is" of the same stage is a plain line at most every 2 s.
        """
        self.bar.update(self.task, description=stage, refresh=self.console.is_terminal)
        self.lines.say(stage, stage.partition(":")[0])
