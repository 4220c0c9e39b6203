"""What ends a computation: the user's time and memory, Ctrl-C, and the work that a step may cost.

One `Limits` object holds for one call of the user's. It is found by everything that runs below the
call (also in threads that copy the context), so that no loop and no solver can forget it:

    with limits.call(seconds):            # solve_bilevel, audit
        limits.enter("search")            # from here on a point may be known
        limits.stopped()                  # a Status or None: for a search, which has a result
        limits.check()                    # raises Stopped: for a step without a partial result

The time has two ends. A search ends at the limit itself. What must come before any point (to
compile, to prove bounds, the first point) and what comes after it (ranges of prices) may use a
little more, so that a call with a point is not lost by a second. To load and check a point is never
stopped.

How far a step goes before another method is used is counted in units of work (about a millisecond
of one core), never in seconds: the same model takes the same way however busy the machine is.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from pyomo_dlmp.numerics.blas import one_blas_thread
from pyomo_dlmp.numerics.memory import over_limit
from pyomo_dlmp.status import Status

_SETTLED = {"audit": "search", "judge": "begin"}  # phases of a point, and of optional steps in them
_MORE, _MORE_SHARE = 1.0, 0.05  # seconds and share of the limit beyond it; see the module's text


class Stopped(BaseException):  # like KeyboardInterrupt: no `except Exception` takes it
    """A computation was ended before it had a result.

    Parameters
    ----------
    status
        The `Status` that says by what.
    """

    def __init__(self, status: str):
        super().__init__(str(status))
        self.status = status


@dataclass
class _Keyboard:
    """Ctrl-C as pressed during the outermost call."""

    presses: int = 0
    held: int = 0  # depth of `shield`
    owed: bool = False  # a KeyboardInterrupt that a shield has delayed
    before: Any = None


@dataclass
class Limits:
    """The limits of one call.

    Attributes
    ----------
    deadline, last
        Where a search ends, and where everything ends that can; times of ``time.monotonic``.
    phase
        "begin" (there is no point), "search" (there may be one), "audit" (a point is checked), or
        "judge" (the user's own point is: Ctrl-C leaves nothing to return).
    keyboard
        Shared with the calls inside it.
    """

    deadline: float = float("inf")
    last: float = float("inf")
    phase: str = "begin"
    keyboard: _Keyboard = field(default_factory=_Keyboard)


@dataclass
class _Work:
    left: float
    outer: _Work | None


_limits: ContextVar[Limits | None] = ContextVar("limits", default=None)
_work: ContextVar[_Work | None] = ContextVar("work", default=None)
_NONE = Limits()
_handling: list[_Keyboard] = []  # of the handler that is installed now, one at most


def _now() -> Limits:
    return _limits.get() or _NONE


# ------------------------------------------------------------------ a call

@contextmanager
def call(seconds: float | None, began: float | None = None, more: bool = True,
         ) -> Iterator[Limits]:
    """The limits of a call of the user's; inside another call, its limits hold, too.

    Parameters
    ----------
    seconds
        The time limit; None: none but that of the surrounding call.
    began
        Time of ``time.monotonic`` from which it counts; None: now.
    more
        Whether there is the little more time of `Limits.last`.

    Returns
    -------
    context manager
    """
    outer = _limits.get()
    mine = Limits(phase=outer.phase, keyboard=outer.keyboard) if outer else Limits()
    if seconds is not None:
        mine.deadline = mine.last = (time.monotonic() if began is None else began) + seconds
        mine.last += (_MORE + _MORE_SHARE * seconds) if more else 0.0
    if outer:
        mine.deadline, mine.last = min(mine.deadline, outer.deadline), min(mine.last, outer.last)
    token = _limits.set(mine)
    try:
        with one_blas_thread(), _handler(mine.keyboard):
            yield mine
    finally:
        _limits.reset(token)


def enter(phase: str) -> None:
    """Begin a phase of the call; see `Limits`."""
    _now().phase = phase if _limits.get() else "begin"


@contextmanager
def optional() -> Iterator[None]:
    """While a point is checked: a step that may be left out, so that time and Ctrl-C end it."""
    limits = _now()
    before = limits.phase
    limits.phase = _SETTLED.get(before, before)
    try:
        yield
    finally:
        limits.phase = before


def reserve(seconds: float) -> None:
    """End the search so early that what follows it, the check of a point, takes no more time."""
    limits = _now()
    limits.deadline = min(limits.deadline, limits.last - seconds)


def left() -> float:
    """Seconds until a search ends, at least 0; infinite without a limit."""
    return max(0.0, _now().deadline - time.monotonic())


def last_left() -> float:
    """Seconds until everything ends that can, at least 0; infinite without a limit."""
    limits = _now()
    if limits.phase in _SETTLED:
        return float("inf")
    return max(0.0, limits.last - time.monotonic())


def pressed() -> bool:
    """Whether Ctrl-C was pressed during the call."""
    return _now().keyboard.presses > 0


def stopped(last: bool = False) -> Status | None:
    """Why a search must end now, None where it may go on.

    Parameters
    ----------
    last
        Whether the little more time that `Limits.last` gives is used, too.
    """
    limits = _now()
    if limits.phase in _SETTLED:
        return None
    if limits.keyboard.presses:
        return Status.INTERRUPTED
    if over_limit():
        return Status.MEMORY_LIMIT
    end = limits.last if last else limits.deadline
    return Status.TIME_LIMIT if time.monotonic() >= end else None


def over_memory() -> bool:
    """Whether the memory limit is passed and ends what runs now."""
    return _now().phase not in _SETTLED and over_limit()


def check() -> None:
    """Raise `Stopped` where a step must end that has no partial result."""
    status = stopped(last=True)
    if status is not None:
        raise Stopped(status)


def why(error: BaseException) -> Status | None:
    """The status of a call that has a point from before and is ended by an error.

    Parameters
    ----------
    error
        What was caught: `Stopped` or KeyboardInterrupt.

    Returns
    -------
    Status or None
        None for a second Ctrl-C, or for one that no call handled: it goes on.
    """
    if isinstance(error, Stopped):
        return Status(error.status)
    return Status.INTERRUPTED if _now().keyboard.presses == 1 else None


# ------------------------------------------------------------------ work

@contextmanager
def work(units: float, apart: bool = False) -> Iterator[None]:
    """Limit the work of a step: beyond it, LPs raise `Stopped` and searches end.

    Parameters
    ----------
    units
        About milliseconds of one core.
    apart
        Whether limits of work around it do not count (in a thread, whose order is not known).

    Returns
    -------
    context manager
    """
    token = _work.set(_Work(units, None if apart else _work.get()))
    try:
        yield
    finally:
        _work.reset(token)


def spend(units: float) -> None:
    """Count work that is done."""
    budget = _work.get()
    while budget is not None:
        budget.left -= units
        budget = budget.outer


def work_left() -> float:
    """Units that the present step may cost yet; infinite where it is not limited."""
    if _now().phase in _SETTLED:
        return float("inf")
    budget, least = _work.get(), float("inf")
    while budget is not None:
        least = min(least, budget.left)
        budget = budget.outer
    return least


# ------------------------------------------------------------------ Ctrl-C

@contextmanager
def shield() -> Iterator[None]:
    """Delay Ctrl-C: what is inside is done whole (a solver's run, a model that is restored)."""
    if threading.current_thread() is not threading.main_thread() or not _handling:
        yield
        return
    keyboard = _handling[-1]
    keyboard.held += 1
    try:
        yield
    finally:
        keyboard.held -= 1
        if keyboard.owed and not keyboard.held:
            keyboard.owed = False
            raise KeyboardInterrupt


@contextmanager
def at_once() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt inside, in a search, too: nothing there looks for it."""
    limits = _now()
    before, limits.phase = limits.phase, "begin"
    try:
        yield
    finally:
        limits.phase = before


@contextmanager
def attended() -> Iterator[None]:
    """A run of a solver that asks `pressed_now`; without a call around it, Ctrl-C is raised after.

    Returns
    -------
    context manager
    """
    with _handler(_now().keyboard if _limits.get() else _Keyboard()), shield():
        yield


def pressed_now() -> bool:
    """Whether a Ctrl-C is to end the run of a solver."""
    if not _handling or (_now().phase in _SETTLED and _handling[-1].presses < 2):
        return False
    return _handling[-1].presses > 0


@contextmanager
def _handler(keyboard: _Keyboard) -> Iterator[None]:
    """Install the handler where none is yet and this is the main thread; restored always."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if main else None
    if _handling or not main or not callable(before):  # ignored, or not Python's: left so
        yield
        return
    _handling.append(keyboard)
    keyboard.before = before
    try:
        signal.signal(signal.SIGINT, _press)
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _handling.remove(keyboard)


def _press(number: int, frame: Any) -> None:
    """Ctrl-C: a request where a point may be known, KeyboardInterrupt otherwise."""
    keyboard = _handling[-1]
    keyboard.presses += 1
    if keyboard.before is not signal.default_int_handler:
        keyboard.before(number, frame)  # the user's own
    if keyboard.presses == 1 and _now().phase in ("search", "audit"):
        return
    if keyboard.held:
        keyboard.owed = True
        return
    raise KeyboardInterrupt
