"""The one judge of bilevel points: lower levels solved again, upper rows, bounds, objective."""

from pyomo_dlmp.auditing.checks import Audit, LowerAudit, audit
from pyomo_dlmp.auditing.result import BilevelResult

__all__ = ["Audit", "BilevelResult", "LowerAudit", "audit"]
