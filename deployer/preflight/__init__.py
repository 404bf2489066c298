"""What would stop an installation, found before anything is made: checks of the tenant file against Azure as it is.

`checks` says what a check is, `catalogue` lists them all, `run` runs them side by side; each other module holds the checks of
one subject. A check only reads: nothing is created, changed or registered.
"""

from deployer.preflight.catalogue import CHECKS
from deployer.preflight.checks import Check, Finding, Verdict
from deployer.preflight.run import Checked, Report, run_checks

__all__ = ["CHECKS", "Check", "Checked", "Finding", "Report", "Verdict", "run_checks"]
