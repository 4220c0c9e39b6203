"""Studies: a file that says what to solve, and the run that writes tables and a report."""

from pyomo_dlmp.study.file import Case, Study, read_study
from pyomo_dlmp.study.run import CaseResult, build_case, run_study

__all__ = ["Case", "CaseResult", "Study", "build_case", "read_study", "run_study"]
