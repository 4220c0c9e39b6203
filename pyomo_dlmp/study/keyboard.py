"""Ctrl-C during a study: the first one ends what runs now, the second one ends the study.

A solve has its own rule (`numerics.limits`): in a search the first Ctrl-C asks for the best point.
This handler stands around the whole study, so that it also counts those. Between solves:

    at once   where nothing would be lost (a model is built, a check runs)
    patient   a solved run is put into tables: the first Ctrl-C waits until these are written
    writing   a file is written: as patient, and a second Ctrl-C waits until the file is whole
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Keyboard:
    """Ctrl-C as pressed during one study.

    Attributes
    ----------
    presses : int
        How often, also during solves.
    """

    def __init__(self) -> None:
        self.presses = 0
        self._patient = False
        self._held = 0
        self._owed = False
        self._before: Any = None

    @contextmanager
    def attended(self) -> Iterator[Keyboard]:
        """Handle Ctrl-C inside; elsewhere than in the main thread nothing is changed.

        Returns
        -------
        context manager
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        self._before = signal.getsignal(signal.SIGINT)
        if not callable(self._before):  # ignored, or not Python's: left so
            yield self
            return
        signal.signal(signal.SIGINT, self._press)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Let the first Ctrl-C of the study wait; `presses` tells of it."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let the first Ctrl-C of the study wait, and a second one until the file is whole."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._owed and not self._held:
                self._owed = False
                raise KeyboardInterrupt

    def _press(self, number: int, frame: Any) -> None:
        self.presses += 1
        if self._before is not signal.default_int_handler:
            self._before(number, frame)  # the user's own
        if signal.getsignal(signal.SIGINT) != self._press:
            return  # a solve handles it, and has asked us first
        if (self._patient or self._held) and self.presses == 1:
            return
        if self._held:
            self._owed = True
            return
        raise KeyboardInterrupt
