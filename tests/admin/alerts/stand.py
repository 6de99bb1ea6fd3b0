"""Alerts on a real database, with a clock that is moved by hand."""

__all__ = ["DAY", "Stand"]

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.alerts.addresses import AddressTerms
from admin.core.alerts.key_life import KeyTerms
from admin.core.alerts.traffic import RefusalTerms, RiseTerms
from admin.core.alerts.wishes import Defaults
from admin.core.plan_quotas import PlanQuotas
from admin.services.alert_addresses import AddressBook
from admin.services.alert_keys_watch import KeyLifeWatch
from admin.services.alert_traffic_watch import TrafficTerms, TrafficWatch
from admin.services.alert_watch import Watch
from admin.services.alerting import Alerting
from admin.services.alerts import AlertService
from admin.stores.alert_choices import AlertChoices
from admin.stores.alert_keys import AlertKeys
from admin.stores.alert_marks import AlertMarks
from admin.stores.alert_networks import AlertNetworks
from admin.stores.alert_quotas import AlertQuotas, Limit
from admin.stores.alert_states import AlertStates
from admin.stores.alert_usage import AlertUsage
from admin.stores.quotas import QuotaStore
from gateway.core.quota import Quota
from gateway.core.record import SERVED, UsageRecord
from gateway.stores.sql_engine import write_transaction
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.tables import events, keys, secrets, to_us
from tests.admin.world import World
from tests.contracts.test_key_reader import KEY_ROW, SECRET_ROW

DAY = 86_400
A_THOUSAND = Limit(1000)


class Stand(World):
    """What looks for alerts, on one database; each `node` knows only what stands there."""

    def __init__(self, engine: AsyncEngine, defaults: Defaults | None = None) -> None:
        super().__init__(engine)
        self.defaults = defaults or Defaults()
        self._ledger = SqlUsageStore(engine)
        self._shipped = 0
        # What all nodes have counted of the alerts that they told.
        self.counted: Counter[str] = Counter()
        self.alerts = AlertService(
            AlertChoices(engine), AlertStates(engine), self.clock, self.defaults
        )

    def node(self, *watches: Watch) -> Alerting:
        """A node that has just been started, with these watches, or with the one of keys."""
        engine = self.engine
        usual = KeyLifeWatch(AlertKeys(engine), AlertMarks(engine), KeyTerms())
        return Alerting(
            watches or (usual,),
            AlertStates(engine, self.counted),
            AlertChoices(engine),
            AlertMarks(engine),
            self.clock,
            self.defaults,
        )

    def traffic(self, limit: Limit = A_THOUSAND, terms: AddressTerms | None = None) -> TrafficWatch:
        """A watch of traffic that knows nothing yet; plan `starter` has this quota."""
        engine = self.engine
        quotas = {} if limit == Limit() else {"starter": Quota(limit.requests, limit.bytes)}
        return TrafficWatch(
            AlertUsage(engine),
            AlertKeys(engine),
            AlertChoices(engine),
            AlertMarks(engine),
            AlertQuotas(QuotaStore(engine), PlanQuotas(quotas, "starter", ["starter"])),
            AddressBook(AlertNetworks(engine), terms or AddressTerms()),
            TrafficTerms(RefusalTerms(), RiseTerms(), self.defaults),
        )

    async def requests(
        self,
        count: int,
        key_id: str = "key_1",
        *,
        address: str = "192.0.2.7",
        status: int = 200,
        outcome: str = SERVED,
        size: int = 100,
    ) -> None:
        """So many requests of a key, just now, that the ledger has shipped."""
        record = UsageRecord(
            at=self.clock.now(),
            key_id=key_id,
            account_id="acc_1",
            secret_id=f"secret of {key_id}",
            route="dns",
            method="GET",
            path="/v1/dns",
            status=status,
            outcome=outcome,
            bytes_in=0,
            bytes_out=size,
            duration_seconds=0.01,
            address=address,
            request_id="r1",
        )
        await self._ledger.write("w1", self._shipped, [record] * count)
        self._shipped += count

    async def a_key(self, key_id: str, account_id: str, **more: object) -> None:
        """A new key with one secret, made now unless `more` of its columns say otherwise."""
        now_us = to_us(self.clock.now())
        row = {**KEY_ROW, "id": key_id, "account_id": account_id, "name": f"the {key_id}"}
        row |= {"created_us": now_us, "updated_us": now_us, "expires_us": None, **more}
        secret = {**SECRET_ROW, "id": f"secret of {key_id}", "key_id": key_id}
        secret |= {"created_us": row["created_us"], "expires_us": None, "revoked_us": None}
        async with write_transaction(self.engine, "prepare") as connection:
            await connection.execute(insert(keys), row)
            await connection.execute(insert(secrets), secret)

    async def change_key(self, key_id: str, **values: object) -> None:
        """Change columns of a key."""
        async with write_transaction(self.engine, "prepare") as connection:
            await connection.execute(update(keys).where(keys.c.id == key_id).values(**values))

    async def told(self) -> list[tuple[str, str | None]]:
        """All events so far: the kind, and of which key."""
        return [(row.kind, row.key_id) for row in await self.rows(events)]

    async def data(self) -> Sequence[dict[str, Any]]:
        """What all events so far say."""
        return [json.loads(row.data) for row in await self.rows(events)]
