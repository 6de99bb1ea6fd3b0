"""Verify and explain by command, on the stores of this machine, while no gateway runs."""

import subprocess

from admin.operations.acts import ACTS
from admin.operations.asked import Asked
from admin.services.catalogue import Services
from admin.wire.checks import VerifyDocument, VerifyRequest
from gateway.core.limits import Limit
from tests.fixtures_gateway import CLI, OPERATOR, NewSite, clean_environment

FEW = (Limit("few", 4, 60),)


def test_explain_needs_no_redis(new_site: NewSite) -> None:
    """Whoever wonders why a key is refused is told, though nothing but the database answers."""
    site = new_site()
    key = site.operator.key("read-only", limits=FEW)
    told = site.operator.cli("explain", key.id, "--method", "POST", "--path", "/pub/x")
    outcomes = {rule["rule"]: rule["outcome"] for rule in told["rules"]}

    assert (told["allowed"], told["code"]) == (False, "insufficient_scope")
    assert (outcomes["scope"], outcomes["limits"]) == ("refuse", "not_reached")
    assert told["limits"] == []


def test_verify_by_command_takes_from_the_limits(new_site: NewSite, valkey_url: str) -> None:
    """The command's uses and a gateway's are counted together; nothing is remembered from one check to the next."""
    site = new_site(redis={"url": valkey_url})
    key = site.operator.key("read-only", limits=FEW)

    async def verified(services: Services) -> VerifyDocument:
        body = VerifyRequest.model_validate({"token": key.secret})
        answer = await ACTS["verify"](services, OPERATOR, Asked(body=body))
        assert isinstance(answer, VerifyDocument)
        return answer

    async def several(services: Services) -> list[VerifyDocument]:
        first = await verified(services)
        await services.keys.revoke(OPERATOR, key.id, None)
        return [first, await verified(services)]

    before, after = site.operator.act(several)

    assert (before.active, before.limits[0].remaining) == (True, 3)
    assert (after.active, after.code) == (False, "revoked_key")


def test_without_redis_a_command_does_not_guess(new_site: NewSite) -> None:
    """A use that cannot be counted is no "rate_limited": the command says that Redis is away."""
    site = new_site()
    key = site.operator.key("read-only", limits=FEW)
    done = subprocess.run(
        [*CLI, "verify", "--cost", "4", "-c", str(site.config)],
        input=key.secret,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment(),
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert "Redis" in done.stderr
    assert key.secret not in done.stderr
