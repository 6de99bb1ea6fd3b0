"""The table of acts."""

from admin.operations.acts import ACTS
from admin.operations.usage_streams import EXPORTS, TAILS
from admin.wire.endpoints import ENDPOINTS
from admin.wire.streams import STREAMS


def test_every_endpoint_has_its_act_and_no_act_is_without() -> None:
    """What the API's document promises is what the API and the commands can do."""
    assert sorted(ACTS) == sorted(one.name for one in ENDPOINTS)
    assert sorted((*EXPORTS, *TAILS)) == sorted(one.name for one in STREAMS)
    assert len({(one.method, one.path) for one in ENDPOINTS}) == len(ENDPOINTS)
