"""The self-test of a scanner at the external level: a page from the glass, really scanned and thrown away."""

from __future__ import annotations

from drivers._selftest import keeping_nothing
from edge.driver import Driver, Finding, Job
from edge.errors import Unsupported
from edge.events import Page, Scan

TRIAL = Scan(source="platen", color="gray", dpi=100, size="a5")


def scanned(driver: Driver, job: Job, area: str) -> Finding:
    """Return what came of a scan from the glass; *area* is the prefix of the driver's codes. Raises as a scan does."""
    try:
        with keeping_nothing(driver):
            pages = [event for event in driver.execute(TRIAL, job) if isinstance(event, Page)]
    except Unsupported:
        return Finding(code=f"{area}-202", result="skip", seen="it has no glass: put a sheet into its feeder and scan")
    if not pages:
        return Finding(code=f"{area}-203", result="fail")
    page = pages[-1]
    seen = f"a page of {page.width} x {page.height} pixels was scanned from the glass and thrown away"
    return Finding(code=f"{area}-201", seen=seen, details={"width": page.width, "height": page.height})
