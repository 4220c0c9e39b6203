"""Draws the pictures of a report, with a second process where there is a second core.

Drawing is what a report costs: matplotlib lays out and writes some ten thousand letters and ticks,
one after the other. A helper is a fresh Python that is handed all jobs once and then draws one at a
time, while this process draws the others; which of them draws a picture does not change its bytes.
It is no `multiprocessing` child: that would run the user's own script again where it has no
``if __name__ == "__main__"``, and a fork beside the threads of a solver may hang. Whatever goes
wrong with a helper, this process draws the picture itself.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST = 6
"""Fewer pictures are drawn sooner than a helper has loaded matplotlib (1 s)."""
MOST_HELPERS = 3
Progress = Callable[[int, int], None]
_SERVE = "from pyomo_dlmp.report.drawing import serve; serve()"


@dataclass(frozen=True)
class Job:
    """A picture that is to be drawn: a figure function of tables, and what it is given."""

    draw: Callable[..., Figure]
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = field(default_factory=dict)

    def svg(self) -> str:
        """The picture as the text of an SVG file."""
        from pyomo_dlmp.report.figures.paper import svg_text  # loads matplotlib

        return svg_text(self.draw(*self.args, **self.kwargs))


class Helpers:
    """Further processes that draw. Start them early: they load matplotlib meanwhile.

    Parameters
    ----------
    count : int, optional
        How many; by default one for each further core, up to `MOST_HELPERS`.
    """

    def __init__(self, count: int | None = None):
        wanted = min(cores() - 1, MOST_HELPERS) if count is None else count
        self._processes = [p for p in (_started() for _ in range(wanted)) if p is not None]

    def __enter__(self) -> Helpers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()  # waits, and closes the pipes

    def draw(self, jobs: Sequence[Job], progress: Progress | None = None) -> list[str]:
        """All pictures as texts of SVG files, in the order of the jobs.

        Parameters
        ----------
        jobs : sequence of Job
        progress : callable, optional
            progress(how many are drawn, of how many), after each that this process draws.

        Returns
        -------
        list of str
        """
        done: dict[int, str] = {}
        todo = deque(range(len(jobs)))
        threads: list[Thread] = []
        parcel = _parcel(jobs) if self._processes and len(jobs) >= FEWEST else None
        if parcel is not None:
            threads = [Thread(target=_lead, args=(p, parcel, todo, done), daemon=True)
                       for p in self._processes]
        for thread in threads:
            thread.start()
        while todo:
            try:
                k = todo.popleft()
            except IndexError:  # a helper has just taken the last
                break
            done[k] = jobs[k].svg()
            if progress is not None:
                progress(len(done), len(jobs))
        for thread in threads:
            thread.join()
        return [done[k] if k in done else job.svg() for k, job in enumerate(jobs)]


def cores() -> int:
    """How many cores this process may use.

    Returns
    -------
    int
    """
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def serve() -> None:
    """What a helper does: read the jobs, then draw those whose numbers come, until none comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that is helped
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not write between the answers
    questions = sys.stdin.buffer
    try:
        jobs: list[Job] = pickle.load(questions)
        while True:
            k = pickle.load(questions)
            pickle.dump(jobs[k].svg(), answers)
            answers.flush()
    except EOFError:
        pass


def _started() -> subprocess.Popen[bytes] | None:
    """A helper; None where Python cannot be started again (frozen programs, a browser)."""
    if not sys.executable or getattr(sys, "frozen", False):
        return None
    places = os.pathsep.join(path for path in sys.path if path)
    try:
        return subprocess.Popen(
            [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": places})
    except OSError:
        return None


def _parcel(jobs: Sequence[Job]) -> bytes | None:
    """The jobs as a helper reads them; None where a figure function of the user's is not to be
    found by its name."""
    try:
        return pickle.dumps(list(jobs), pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


def _lead(process: subprocess.Popen[bytes], parcel: bytes, todo: deque[int],
          done: dict[int, str]) -> None:
    """Hand a helper one job after the other, as long as there are any and it answers."""
    pipes: Any = process.stdin, process.stdout
    try:
        pipes[0].write(parcel)
        while True:
            k = todo.pop()  # from the end, while this process begins at the start
            pickle.dump(k, pipes[0])
            pipes[0].flush()
            done[k] = pickle.load(pipes[1])
    except IndexError:  # none is left
        pass
    except (OSError, EOFError, ValueError, pickle.PickleError):
        return  # what it had taken is drawn at the end by this process
