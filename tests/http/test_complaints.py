"""What the log says of upstreams that fail."""

from structlog.testing import capture_logs

from gateway.http.complaints import Complaints
from tests.doubles import ManualClock


def test_an_outage_is_no_storm_in_the_log() -> None:
    """The first failure is told at once, the thousand after it as a number, each kind for itself."""
    clock = ManualClock()
    complaints = Complaints(clock)
    with capture_logs() as lines:
        for number in range(1000):
            complaints.tell("dns", "h:1", "refused", f"r-{number}")
        complaints.tell("dns", "h:1", "reset", "r-other")
        clock.advance(1.0)
        complaints.tell("dns", "h:1", "refused", "r-late")

    assert [(line["cause"], line["request_id"], line["more_like_this"]) for line in lines] == [
        ("refused", "r-0", 0),
        ("reset", "r-other", 0),
        ("refused", "r-late", 999),
    ]
