"""Whom a client trusts, and to whom it shows a token: certificates, and where tokens come from."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from pathlib import Path

import pytest

from .conftest import Terminal
from .test_server import place, serving  # noqa: F401 - a fixture

pytest.importorskip("httpx", reason="the extra http is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate that has signed itself, for a name or an address; return its file and that of its key."""
    pytest.importorskip("cryptography", reason="nothing here makes certificates")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hangar tests")])
    now = dt.datetime.now(dt.UTC)
    try:
        there: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        there = x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([there]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir()
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return cert, secret


def test_a_certificate_of_ones_own_is_trusted_if_it_is_named(
    committed: Terminal,
    place: Terminal,  # noqa: F811
    tmp_path: Path,
) -> None:
    cert, key = certificate(tmp_path / "own", "127.0.0.1")
    trusting = {"SSL_CERT_FILE": str(cert)}
    token = place("server", "token", "add", "writer", "--scope", "write").stdout.strip()
    with serving(place, "--ip", "127.0.0.1", "--tls-cert", str(cert), "--tls-key", str(key)) as address:
        assert address.startswith("https://127.0.0.1:")
        committed("remote", "add", "origin", f"{address}/pets")
        refused = committed("push", "origin", "master", code=8, env={"HANGAR_TOKEN": token}).stderr
        assert "certificate is not trusted (self-signed" in refused
        assert "SSL_CERT_FILE" in refused
        committed("push", "origin", "master", env=trusting | {"HANGAR_TOKEN": token})
        (tmp_path / "other").mkdir()
        other = Terminal(tmp_path / "other", committed.environment, committed.forks)
        words = ("clone", f"{address}/pets", "--name", "B", "--email", "b@example.org")
        other(*words, env=trusting | {"HANGAR_TOKEN": token})
        committed("remote", "add", "plain", address.replace("https", "http"))
        assert "cannot be reached" in committed("fetch", "plain", "master", code=8).stderr


def test_a_certificate_of_somebody_else_is_not_trusted(
    committed: Terminal,
    place: Terminal,  # noqa: F811
    tmp_path: Path,
) -> None:
    cert, key = certificate(tmp_path / "elsewhere", "data.example.org")
    with serving(place, "--ip", "127.0.0.1", "--tls-cert", str(cert), "--tls-key", str(key)) as address:
        committed("remote", "add", "origin", f"{address}/pets")
        refused = committed("push", "origin", "master", code=8, env={"SSL_CERT_FILE": str(cert)}).stderr
    assert "certificate is not trusted" in refused
    assert "127.0.0.1" in refused


def test_a_server_without_tls_is_not_asked_as_if_it_had_it(committed: Terminal, place: Terminal) -> None:  # noqa: F811
    with serving(place) as address:
        committed("remote", "add", "origin", address.replace("http", "https"))
        assert "does not speak TLS" in committed("fetch", "origin", "master", code=8).stderr


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(place: Terminal) -> tuple[Terminal, str]:  # noqa: F811
    """The place of a server that wants a token from everybody, and one that is good for writing."""
    return place, place("server", "token", "add", "writer", "--scope", "write").stdout.strip()


def _token_file(terminal: Terminal, content: object) -> None:
    path = Path(terminal.environment["XDG_CONFIG_HOME"]) / "hangar" / "tokens.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)


def test_a_token_in_the_file_is_for_its_server_alone(committed: Terminal, guarded: tuple[Terminal, str]) -> None:
    where, token = guarded
    with serving(where, "--anonymous", "none") as address:
        committed("remote", "add", "origin", f"{address}/pets")
        for begin in (address[:-1], f"{address}0", f"{address}/pe", f"{address}/pets/more", ""):
            _token_file(committed, {begin: token})
            assert "needs a token" in committed("push", "origin", "master", code=8).stderr
        for begin in (address, f"{address}/", f"{address}/pets"):
            _token_file(committed, {begin: token, f"{address}/pe": "wrong"})
            committed("push", "origin", "master")
        # An address without a scheme is one of http.
        committed("remote", "add", "short", address.removeprefix("http://") + "/pets")
        committed("fetch", "short", "master")
        _token_file(committed, "no JSON")
        assert "cannot be read" in committed("push", "origin", "master", code=1).stderr


def test_a_token_comes_from_the_keyring(committed: Terminal, guarded: tuple[Terminal, str], tmp_path: Path) -> None:
    pytest.importorskip("keyring", reason="it is not installed")
    where, token = guarded
    with serving(where, "--anonymous", "none") as address:
        (tmp_path / "ring.py").write_text(
            "import keyring.backend, keyring.errors\n"
            "class Ring(keyring.backend.KeyringBackend):\n"
            "    priority = 1\n"
            "    def get_password(self, service, username):\n"
            f"        return {token!r} if (service, username) == ('hangar', {address!r}) else None\n"
            "    def set_password(self, service, username, password): pass\n"
            "class Locked(Ring):\n"
            "    def get_password(self, service, username):\n"
            "        raise keyring.errors.KeyringLocked('it is locked')\n"
        )
        committed("remote", "add", "origin", f"{address}/pets")
        ring = {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "ring.Ring"}
        committed("push", "origin", "master", env=ring)
        locked = committed("push", "origin", "master", code=8, env=ring | {"PYTHON_KEYRING_BACKEND": "ring.Locked"})
        assert "keyring gives no token: it is locked" in locked.stderr
        none = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
        assert "needs a token" in committed("push", "origin", "master", code=8, env=none).stderr


def test_no_address_holds_a_token(committed: Terminal) -> None:
    for address in ("https://me:secret@data.example.org/pets", "https://secret@data.example.org/pets"):
        committed("remote", "add", "origin", address)
        refused = committed("push", "origin", "master", code=1).stderr
        assert "no name and password in it" in refused
        assert "secret" not in refused
        committed("remote", "remove", "origin")
    committed("remote", "add", "origin", "https://data.example.org/pets?token=secret")
    assert "is no address" in committed("push", "origin", "master", code=1).stderr
