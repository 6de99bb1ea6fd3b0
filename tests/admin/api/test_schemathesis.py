"""schemathesis reads the served OpenAPI document, tries what it says and what it forbids, and compares the answers."""

import asyncio
from collections import Counter
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks

from admin.core.caller import Role
from admin.wire.endpoints import ENDPOINTS
from tests.admin.api.stand import Api

AnyCase = Case[Any]
# Of each kind, for each endpoint: enough to find what one text or one type breaks, in less than a minute.
EXAMPLES = 8
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
# A value that fits the document may still be none that is configured, so the reverse is not asked for.
WRONG_BODY = [*CHECKS, checks.negative_data_rejection]
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)


def with_real_ids(case: AnyCase, ids: dict[str, str]) -> None:
    """Let the case be about what exists, so that it gets beyond "there is no such thing"."""
    for name in list(case.path_parameters or {}):
        case.path_parameters[name] = ids[name]
    if isinstance(case.body, dict):
        for field, name in (("account", "account_id"), ("key_id", "key_id"), ("owner", "user_id")):
            if isinstance(case.body.get(field), str):
                case.body[field] = ids[name]
        if isinstance(case.body.get("scopes"), list):
            case.body["scopes"] = ["read-only"]


def is_body_wrong(case: AnyCase) -> bool:
    """Whether the body breaks its schema. Of a wrong query or field not everything reaches the wire."""
    found = None if case.meta is None else case.meta.components.get(ParameterLocation.BODY)
    return found is not None and found.mode is GenerationMode.NEGATIVE


class Trial:
    """Requests to a served API, and the statuses of its answers."""

    def __init__(self, url: str, token: str, ids: dict[str, str]) -> None:
        """Nothing is sent yet."""
        self.statuses: Counter[int] = Counter()
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._ids = ids

    def run(self) -> None:
        """Try every operation; fails at the first answer that is not as the document says."""
        whole = schemathesis.openapi.from_url(f"{self._url}/openapi.json")
        # What goes on for as long as somebody looks has tests of its own.
        schema = whole.exclude(operation_id_regex="tail")
        for result in schema.get_all_operations():
            operation = result.ok()  # type: ignore[union-attr]
            for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
                self._try(operation.as_strategy(generation_mode=mode), mode)

    def _try(self, cases: SearchStrategy[AnyCase], mode: GenerationMode) -> None:
        is_good = mode is GenerationMode.POSITIVE

        @SETTINGS
        @hypothesis.given(case=cases)
        def attempt(case: AnyCase) -> None:
            # Some stay about what does not exist.
            if is_good and sum(self.statuses.values()) % 4:
                with_real_ids(case, self._ids)
            answer = case.call(base_url=self._url, headers=self._headers)
            self.statuses[answer.status_code] += 1
            case.validate_response(answer, checks=WRONG_BODY if is_body_wrong(case) else CHECKS)

        attempt()


async def test_served_document_is_kept(api: Api) -> None:
    """No generated request gets a 5xx, and every answer has a status, type, headers and schema of the document."""
    account = await api.account()
    person = {"email": "ada@example.com", "name": "Ada", "role": "member", "account": account}
    key = await api.key(account)
    hook = {"kind": "webhook", "name": "desk", "url": "https://hooks.example.com/"}
    channel = await api.made("/v1/channels", {**hook, "account": account})
    tried = await api.ask("POST", f"/v1/channels/{channel['id']}/test", {})
    more = {"requests": 1000, "lasts": "1d", "reason": "a launch"}
    raised = await api.made(f"/v1/accounts/{account}/quota/raises", more)
    ids = {
        "account_id": account,
        "raise_id": raised["raise_id"],
        "user_id": (await api.made("/v1/users", person))["id"],
        "token_id": (await api.person(Role.ADMIN)).token_id,
        "key_id": key["id"],
        "secret_id": key["secrets"][0]["id"],
        "channel_id": channel["id"],
        "delivery_id": tried.json()["id"],
    }
    trial = Trial(api.url, api.admin.token, ids)
    await asyncio.to_thread(trial.run)
    statuses = trial.statuses

    assert sum(statuses.values()) > EXAMPLES * len(ENDPOINTS)
    assert max(statuses) < 500
    assert {200, 201, 404, 409, 422} <= set(statuses), statuses
