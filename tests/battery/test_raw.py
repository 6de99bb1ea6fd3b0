"""The raw-byte battery: each case's exact bytes over a socket, judged from both sides of the gateway.

`rawbattery.py` knows the cases, `raworigin.py` is the upstream that logs what it was sent. Both
run alone, too; docs/security.md says how, and explains each case listed under EXPLAINED.
"""

import pytest

from tests.battery import rawbattery
from tests.fixtures_gateway import BatteryStage, NewSite

# Cases that end in WARN, each with its reason in docs/security.md.
EXPLAINED: frozenset[str] = frozenset({"P18"})

CASES = rawbattery.case_ids()


@pytest.mark.parametrize("case_id", CASES)
def test_raw_case(battery_stage: BatteryStage, case_id: str) -> None:
    """Hostile or unusual bytes never smuggle, leak, spoof, desynchronise, or pass as authorised."""
    result = battery_stage.run(case_id)

    assert result["verdict"] == ("WARN" if case_id in EXPLAINED else "PASS"), result["why"]


def test_encoded_slashes_when_allowed(new_site: NewSite) -> None:
    """`listen.allow_encoded_slash` lets %2F through byte for byte, and still no path into another route."""
    stage = BatteryStage(new_site(listen={"port": 0, "allow_encoded_slash": True}))

    results = {case_id: stage.run(case_id) for case_id in ("P18", "P04", "P61")}

    assert {case_id: each["verdict"] for case_id, each in results.items()} == {
        "P18": "PASS",
        "P04": "PASS",
        "P61": "PASS",
    }, results
