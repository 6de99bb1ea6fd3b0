"""The address that a gateway keeps."""

import socket

import pytest

from gateway.core.errors import Misuse
from gateway.serve.binding import Binding

HOST = "127.0.0.1"


def _port(binding: Binding) -> int:
    return int(binding.address.rpartition(":")[2])


def _accepted(listening: socket.socket) -> bool:
    with socket.create_connection(listening.getsockname(), timeout=5) as caller:
        taken, address = listening.accept()
        with taken:
            return bool(address == caller.getsockname())


def test_a_chosen_port_is_everybodys() -> None:
    """With port 0 the system chooses once; all sockets are on that port, and what is reserved takes no connection."""
    with Binding.opened(HOST, 0, "listen") as binding:
        (first,), (second,) = binding.sockets(), binding.sockets()
        with first, second:
            assert first.getsockname() == second.getsockname() == (HOST, _port(binding))
            first.listen()
            assert all(_accepted(first) for _ in range(20))


def test_a_port_stays_ours_without_a_listener() -> None:
    """Between two processes nobody listens; the next one gets the same port all the same."""
    with Binding.opened(HOST, 0, "listen") as binding:
        (first,) = binding.sockets()
        first.listen()
        first.close()
        (again,) = binding.sockets()
        with again:
            assert again.getsockname()[1] == _port(binding)


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_port_in_use_is_refused(is_shared: bool) -> None:
    """Also one that would be shared with whoever is there, such as another gateway of the same user."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(is_shared))
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        refused = pytest.raises(Misuse, match=rf"^Cannot listen on {HOST}:{port}: .*admin\.port")
        with refused, Binding.opened(HOST, port, "admin"):
            pass


def test_an_address_that_is_not_ours() -> None:
    """It is told with the setting that names it."""
    with pytest.raises(Misuse, match=r"listen\.host"), Binding.opened("192.0.2.1", 0, "listen"):
        pass


def test_a_name_with_two_families() -> None:
    """A host that is both has a socket for each, on one port."""
    with Binding.opened("localhost", 0, "listen") as binding:
        made = binding.sockets()
        try:
            assert {each.getsockname()[1] for each in made} == {_port(binding)}
            assert len({each.family for each in made}) == len(made)
        finally:
            for each in made:
                each.close()
