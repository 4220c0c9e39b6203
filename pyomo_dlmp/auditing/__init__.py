"""The one check of bilevel points: lower levels solved again, upper rows, bounds, objective."""

from pyomo_dlmp.auditing.findings import Audit, LowerAudit
from pyomo_dlmp.auditing.judge import audit
from pyomo_dlmp.auditing.result import BilevelResult

__all__ = ["Audit", "BilevelResult", "LowerAudit", "audit"]
