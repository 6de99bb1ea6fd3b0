"""The parts of statements about usage that both databases understand."""

__all__ = ["ADD_USE", "ROLLUP_COLUMNS", "ROLLUP_KEY", "USE_COLUMNS", "add_rollup"]

from typing import Final

from gateway.stores.usage_rollup import Rollup

USE_COLUMNS: Final = "secret_id, key_id, at_us, address, route, count"
# Batches of several workers come in any order: an earlier use never takes a later one's place.
ADD_USE: Final = """
ON CONFLICT (secret_id) DO UPDATE SET
    count = secret_uses.count + excluded.count,
    address = CASE WHEN excluded.at_us < secret_uses.at_us THEN secret_uses.address ELSE excluded.address END,
    route = CASE WHEN excluded.at_us < secret_uses.at_us THEN secret_uses.route ELSE excluded.route END,
    at_us = CASE WHEN excluded.at_us < secret_uses.at_us THEN secret_uses.at_us ELSE excluded.at_us END
"""

ROLLUP_KEY: Final = Rollup._fields[:7]
ROLLUP_COLUMNS: Final = ", ".join(Rollup._fields)


def add_rollup(both_sketches: str) -> str:
    """Behind an INSERT of roll-ups: add to those that are there. `both_sketches` is one sketch behind the other."""
    sums = (f"{name} = usage_rollups.{name} + excluded.{name}" for name in Rollup._fields[7:11])
    return f"ON CONFLICT ({', '.join(ROLLUP_KEY)}) DO UPDATE SET {', '.join(sums)}, sketch = {both_sketches}"
