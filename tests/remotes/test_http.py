"""The transport ``http://`` against a real `hangar server`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing

import pytest

pytest.importorskip("httpx", reason="the extra http is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")

from sides.servers import running_server

from hangar_core.errors import InvalidInput, RemoteError, RemoteUnreachable
from hangar_core.remotes.transport import Credentials, open_transport
from hangar_core.testing import TransportContract
from hangar_server.access import Access
from hangar_server.locations import access_file

_number = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on which everybody may write."""
    with running_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Credentials]]:
    """A server that knows one token, which is good for everything."""
    folder = tmp_path_factory.mktemp("guarded")
    token = Access(access_file(folder)).add_token("tests", "admin", "*", "*")
    with running_server(folder) as address:
        yield address, Credentials(token)


class TestHttp(TransportContract):
    @pytest.fixture
    def address(self, guarded: tuple[str, Credentials]) -> str:
        server, self.credentials = guarded
        return f"{server}/repository-{next(_number)}"


def test_an_address_without_a_name_is_the_repository_default(server: str) -> None:
    for address in (server, f"{server}/default", server.removeprefix("http://")):
        with closing(open_transport(address)) as transport:
            transport.info()


@pytest.mark.parametrize(
    "address", ["http://ada:secret@localhost:1/x", "http://", "http://localhost:x/", "http://localhost:1/x?y=1"]
)
def test_addresses_that_cannot_be_meant_are_refused(address: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_transport(address)
    assert "secret" not in str(caught.value)


def test_a_token_is_not_sent_where_others_read_along() -> None:
    with pytest.raises(InvalidInput, match="read by everybody"):
        open_transport("http://data.example.org/x", Credentials("a token"))
    open_transport("https://data.example.org/x", Credentials("a token")).close()


def test_nobody_there_is_a_connection_error() -> None:
    with closing(open_transport("http://127.0.0.1:9/x")) as transport, pytest.raises(RemoteUnreachable) as caught:
        transport.info()
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.exit_code == 8


def test_a_server_of_another_kind_is_told_apart(server: str) -> None:
    with closing(open_transport(f"{server}/x/y")) as transport, pytest.raises(RemoteError, match="no hangar server"):
        transport.info()
