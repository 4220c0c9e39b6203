"""One run of a HiGHS instance: within the limits of the call, and again where it means nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import highspy
import numpy as np

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.refused import refuse_run
from pyomo_dlmp.status import Status

WORDS = {
    highspy.HighsModelStatus.kOptimal: Status.OPTIMAL,
    highspy.HighsModelStatus.kTimeLimit: Status.TIME_LIMIT,
    highspy.HighsModelStatus.kInterrupt: Status.INTERRUPTED,
    highspy.HighsModelStatus.kInfeasible: Status.INFEASIBLE,
    highspy.HighsModelStatus.kUnbounded: Status.UNBOUNDED,
    highspy.HighsModelStatus.kUnboundedOrInfeasible: Status.INFEASIBLE_OR_UNBOUNDED,
    highspy.HighsModelStatus.kSolutionLimit: Status.OPTIMAL,
    highspy.HighsModelStatus.kIterationLimit: Status.WORK_LIMIT,
    highspy.HighsModelStatus.kMemoryLimit: Status.MEMORY_LIMIT,
    highspy.HighsModelStatus.kModelEmpty: Status.OPTIMAL,
}
# what fits into a unit of work (about a millisecond of one core): iterations of an LP or QP, and
# entries of the matrix that they read. Units of one look of a MIP's search at its limits, which
# comes after some nodes, and entries behind each further one
_ITERATIONS, _READ, _LOOK, _LOOKED = 200.0, 500_000.0, 20.0, 400.0
_TRIES = 4  # of a run that does not begin
_ALL = 2**31 - 1  # HiGHS's number for no limit of iterations
_OTHER_WAYS = ({"presolve": "off"}, {"presolve": "off", "solver": "ipm"})


def run_once(h: Any) -> None:
    """Run an instance; HiGHS keeps the number of threads of a thread's first run until told.

    Parameters
    ----------
    h
        The instance.

    Raises
    ------
    SolverError
        It does not take its model.
    """
    for _ in range(_TRIES):  # another thread may end the scheduler between a reset and a run
        if h.run() != highspy.HighsStatus.kError or (
                h.getModelStatus() != highspy.HighsModelStatus.kNotset):
            break
        h.resetThreadScheduler(True)
    else:
        refuse_run(h)
    if h.getOptionValue("threads")[1]:  # whoever uses HiGHS next in this process starts afresh
        h.resetThreadScheduler(True)


class Run:
    """Runs an instance again and again, and knows how its last run ended.

    Parameters
    ----------
    h
        The instance.
    entries
        Of its matrices: what an iteration costs grows with them.
    is_mip, has_q
        Whether it has integer columns, a quadratic objective.

    Attributes
    ----------
    used_up
        Whether the last run ended because the work of its step was used up.
    """

    def __init__(self, h: Any, entries: int, is_mip: bool, has_q: bool):
        self._h, self.entries, self.is_mip, self._has_q = h, entries, is_mip, has_q
        self.used_up = self._timed = self._counted = False

    def limit(self, seconds: float) -> None:
        """Limit the next runs to some seconds each; infinite: no limit."""
        if np.isfinite(seconds) or self._timed:
            self._timed = bool(np.isfinite(seconds))
            self._set("time_limit", float(self._h.getRunTime() + max(seconds, 0.01)))

    def go(self, progress: Callable | None, found: Callable | None, watched: bool) -> None:
        """Run; in other ways, too, where HiGHS ends with a status that means nothing.

        Parameters
        ----------
        progress, found
            As of `Highs.solve`.
        watched
            Whether Ctrl-C and a passed memory limit end it.

        Raises
        ------
        SolverError
            No way gave a result. For a QP it is not raised: the callers have other methods.
        """
        self._once(progress, found, watched)
        if self._h.getModelStatus() == highspy.HighsModelStatus.kUnboundedOrInfeasible:
            with self.otherwise({"presolve": "off"}):  # without it, it tells the two apart
                self._once(progress, found, watched)
        for options in () if self._has_q else _OTHER_WAYS:
            if self._h.getModelStatus() in WORDS:
                return
            self._h.clearSolver()
            with self.otherwise(options):
                self._once(progress, found, watched)
        if self._h.getModelStatus() not in WORDS and not self._has_q:
            raise SolverError.at(
                "HiGHS", f"ended without a result ('{self.word()}'), whichever its method",
                "Scale the model (MW, per unit): numbers of very different size are the usual "
                "reason; or use another solver.")

    def _once(self, progress, found, watched: bool) -> None:
        work = limits.work_left()
        per = 1.0 / _ITERATIONS + self.entries / _READ
        per_look = _LOOK + self.entries / _LOOKED
        if self.is_mip or np.isfinite(work) or self._counted:
            self._counted = bool(np.isfinite(work)) and not self.is_mip
            most = int(min(_ALL, 1 + work / per)) if self._counted else _ALL
            for name in ("simplex", "qp", "ipm"):
                self._set(f"{name}_iteration_limit", most)
        self.used_up = False
        if watched or self.is_mip:
            with _watched(self._h, progress, found, work / per_look) as seen:
                run_once(self._h)
            self.used_up = seen.used_up
            if self.is_mip:
                limits.spend(per_look * seen.looks)
                return
        else:
            run_once(self._h)
        info = self._h.getInfo()
        limits.spend(per * (1 + sum(max(0, count) for count in (
            info.simplex_iteration_count, info.qp_iteration_count, info.ipm_iteration_count))))

    @contextmanager
    def otherwise(self, options: dict):
        """Other options inside the `with`."""
        kept = {name: self._h.getOptionValue(name)[1] for name in options}
        for name, value in options.items():
            self._set(name, value)
        try:
            yield
        finally:
            for name, value in kept.items():
                self._set(name, value)

    def word(self) -> str:
        """HiGHS's own text for how the last run ended."""
        return str(self._h.modelStatusToString(self._h.getModelStatus()))

    def status(self) -> str:
        """How the last run ended: a `Status`, or HiGHS's own text where it means none of them."""
        status = WORDS.get(self._h.getModelStatus(), self.word())
        if status == Status.INTERRUPTED and not limits.pressed():
            return Status.WORK_LIMIT if self.used_up else Status.MEMORY_LIMIT
        return status

    def _set(self, name: str, value: Any) -> None:
        self._h.setOptionValue(name, value)


class _Seen:
    """What a watched run has seen: looks at its limits, and whether they were used up."""

    def __init__(self) -> None:
        self.looks, self.used_up = 0, False


@contextmanager
def _watched(h, progress, found, looks: float):
    """Forward a MIP's progress; Ctrl-C, a passed memory limit and used up `looks` end the run."""
    seen, kinds = _Seen(), highspy.cb.HighsCallbackType

    def callback(kind, message, data_out, data_in, user):
        if kind == kinds.kCallbackMipLogging:
            if progress is not None:
                progress(data_out.mip_primal_bound, data_out.mip_dual_bound)
        elif kind == kinds.kCallbackMipSolution:
            if found is not None:
                found(np.array(data_out.mip_solution))
        else:
            if kind == kinds.kCallbackMipInterrupt:
                seen.looks += 1
                seen.used_up = seen.looks >= looks
            if seen.used_up or limits.pressed_now() or limits.over_memory():
                data_in.user_interrupt = True

    wanted = [kinds.kCallbackMipLogging, kinds.kCallbackMipInterrupt,
              kinds.kCallbackSimplexInterrupt, kinds.kCallbackIpmInterrupt,
              kinds.kHighsCallbackQpInterrupt]  # type: ignore[attr-defined]
    if found is not None:
        wanted.append(kinds.kCallbackMipSolution)
    h.setCallback(callback, None)
    for kind in wanted:
        h.startCallback(kind)
    try:
        with limits.attended():
            yield seen
    finally:
        for kind in wanted:
            h.stopCallback(kind)
