"""Independent problems on several processes, each with its own atlas.

Processes are spawned, as on every system, so a script that asks for them has to keep its own calls
under ``if __name__ == "__main__":``. Which problem goes to which process is settled beforehand, and
none starts from what another has found: the answers are those of one process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from pyomo_dlmp.errors import SolverError

_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_READY = "ready"


def answers_by_workers(solver: Any, spans: list, workers: int,
                       where: str = "solve_series") -> Generator[Any, None, None]:
    """Answers as they are finished.

    Parameters
    ----------
    solver : object
        With ``groups(spans)`` and ``solve_group(group)``; it can be pickled.
    spans : list
        What is to be solved: Spans, or what else the solver takes.
    workers : int
        Number of processes.
    where : str
        The call, in messages.

    Yields
    ------
    object
        Of the solver: an Answer, say.

    Raises
    ------
    SolverError
        A process has ended before its work.
    DlmpError
        What a process has raised.
    """
    context = multiprocessing.get_context("spawn")
    processes, left, groups = [], {}, solver.groups(spans)
    try:
        with _one_thread():
            for k in range(min(workers, len(groups))):
                here, there = context.Pipe(duplex=False)
                mine = groups[k::workers]
                process = context.Process(target=_work, args=(there, solver, mine), daemon=True)
                process.start()
                there.close()
                processes.append(process)
                left[here] = [sum(map(len, mine)), False]
        while left:
            for pipe in wait(list(left)):
                assert isinstance(pipe, Connection)
                answer = _received(pipe, left, where)
                if answer is not None:
                    yield answer
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _received(pipe: Connection, left: dict, where: str) -> Any:
    """What a process has sent; it is struck off when that was its last."""
    try:
        found = pipe.recv()
    except EOFError:
        begun = left.pop(pipe)[1]
        raise SolverError.at(
            f"{where}, workers", "a process ended before its work was done",
            "Solve with workers=1 (it may have run out of memory)." if begun else
            'Keep the call in a script under `if __name__ == "__main__":`, as processes need, or '
            "solve with workers=1.") from None
    if isinstance(found, Exception):
        raise found
    if found == _READY:
        left[pipe][1] = True
        return None
    left[pipe][0] -= 1
    if not left[pipe][0]:
        del left[pipe]
    return found


def _work(pipe: Connection, solver: Any, groups: list[list]) -> None:
    """One process: solve and send; Ctrl-C is for the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send(_READY)
    try:
        for group in groups:
            for answer in solver.solve_group(group):
                pipe.send(answer)
    except Exception as err:
        pipe.send(err)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that begin in it use one thread each for linear algebra."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
