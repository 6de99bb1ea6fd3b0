"""The raw-byte battery: each case's exact bytes over a socket, judged from both sides of the gateway.

`rawbattery.py` knows the cases, `raworigin.py` is the upstream that logs what it was sent. Both
run alone, too; docs/security.md says how, and explains each case listed under EXPLAINED.
"""

import pytest

from tests.battery import rawbattery
from tests.fixtures_gateway import BatteryStage

# Cases that end in WARN, each with its reason in docs/security.md.
EXPLAINED: frozenset[str] = frozenset({"P18"})

CASES = rawbattery.case_ids()


@pytest.mark.parametrize("case_id", CASES)
def test_raw_case(battery_stage: BatteryStage, case_id: str) -> None:
    """Hostile or unusual bytes never smuggle, leak, spoof, desynchronise, or pass as authorised."""
    result = battery_stage.run(case_id)

    assert result["verdict"] != "FAIL", result["why"]
    if case_id not in EXPLAINED:
        assert result["verdict"] == "PASS", result["why"]
