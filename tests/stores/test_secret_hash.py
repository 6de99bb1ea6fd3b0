"""argon2id as SQL holds it."""

import pytest

from gateway.core.errors import StoreError
from gateway.stores.secret_hash import CostClass, decoy, hash_token, verify

TOKEN = b"sk_live_" + b"7" * 50


@pytest.mark.parametrize(
    ("cost", "parameters"),
    [
        pytest.param(CostClass.GENERATED, "m=2048,t=1,p=1", id="generated-is-light"),
        pytest.param(CostClass.IMPORTED, "m=65536,t=3,p=4", id="imported-is-rfc-9106-low-memory"),
    ],
)
def test_the_stored_form_is_argon2id_with_its_parameters(cost: CostClass, parameters: str) -> None:
    """What SQL holds can be verified by any later release, and never holds the token."""
    stored = hash_token(TOKEN, cost)

    assert stored.startswith(f"$argon2id$v=19${parameters}$")
    assert TOKEN.decode() not in stored
    assert verify(stored, TOKEN)
    assert not verify(stored, TOKEN[:-1] + b"8")


def test_each_hash_has_its_own_salt() -> None:
    """Two rows of one token cannot be told to be of one token."""
    assert hash_token(TOKEN, CostClass.GENERATED) != hash_token(TOKEN, CostClass.GENERATED)


def test_a_decoy_is_of_no_token_and_as_dear_as_a_real_hash() -> None:
    """An unknown id costs the same work as a wrong secret, and is never let in."""
    fake = decoy(CostClass.GENERATED)
    real = hash_token(TOKEN, CostClass.GENERATED)

    assert not verify(fake, TOKEN)
    assert fake.split("$")[:4] == real.split("$")[:4]
    assert len(fake) == len(real)


_SOUND = hash_token(TOKEN, CostClass.GENERATED)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param("", id="empty"),
        pytest.param("sha256:00", id="another-scheme"),
        pytest.param("$argon2id$garbage", id="garbage"),
        pytest.param(_SOUND[:-12] + "!", id="cut-off"),
        pytest.param("é" + _SOUND, id="not-ascii"),
        pytest.param("\0", id="nul"),
        pytest.param(_SOUND.replace("m=2048", "m=4000000000"), id="more-memory-than-there-is"),
    ],
)
def test_an_unreadable_hash_is_a_fault_not_a_wrong_key(damaged: str) -> None:
    """A damaged row is told to the operator, in words that quote nothing of it; no caller gets a 401 for it."""
    with pytest.raises(StoreError) as caught:
        verify(damaged, TOKEN)

    assert caught.value.store == "sql"
    assert not damaged or damaged not in str(caught.value)
    assert TOKEN.decode() not in str(caught.value)
