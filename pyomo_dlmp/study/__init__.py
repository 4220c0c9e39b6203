"""Studies: a file that says what to solve, and the run that writes tables and a report."""

from pyomo_dlmp.study.data import Case, Run, Study
from pyomo_dlmp.study.file import read_study
from pyomo_dlmp.study.output import CaseResult, StudyResults
from pyomo_dlmp.study.run import build_case, run_study
from pyomo_dlmp.study.shipped import find_study, list_studies

__all__ = ["Case", "CaseResult", "Run", "Study", "StudyResults", "build_case", "find_study",
           "list_studies", "read_study", "run_study"]
