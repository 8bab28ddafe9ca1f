from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.net.dripping import DrippingServer
from tests.net.server import Exchange, LoopbackServer, reply
from vlcorpus.net.fetch import Fetcher, Limits

QUICK = Limits(max_bytes=1_000_000, total_seconds=10, slow_seconds=1, connect_seconds=5)


@dataclass(frozen=True)
class Certificate:
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def certificate(folder: Path, days: int = 2) -> Certificate:
    """One for good.example and all names below it, signed by itself, valid for so many days from now.

    days: negative for one that is over.
    """
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "good.example")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=10))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("good.example"), x509.DNSName("*.good.example")]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Certificate]:
    made = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    yield made


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = certificate(tmp_path)
    with LoopbackServer(context=made.context()) as secure:
        urls = [f"https://{name}/ok/1" for name in ("good.example", "bad.example")]
        for is_trusted, expected in ((False, ["tls_failure"] * 2), (True, [None, "tls_failure"])):
            if is_trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
            with Fetcher(secure.manners(retries=0), QUICK) as fetcher:
                assert [fetcher.fetch(url).reason for url in urls] == expected
        assert secure.requests and {request.headers["host"] for request in secure.requests} == {"good.example"}


def test_bad_tls_has_its_reason_and_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expired = certificate(tmp_path, days=-2)
    monkeypatch.setenv("SSL_CERT_FILE", str(expired.certificate))
    with LoopbackServer(context=expired.context()) as late:
        with Fetcher(late.manners(retries=0), QUICK) as fetcher:
            response = fetcher.fetch("https://good.example/ok/1")
        assert (response.reason, late.requests, late.connections) == ("tls_failure", [], 1)
        assert "expired" in response.message
    with DrippingServer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as plain:
        manners = late.manners(retries=0, connect_to=(f"::127.0.0.1:{plain.port}",))
        with Fetcher(manners, QUICK) as fetcher:
            assert fetcher.fetch("https://good.example/").reason == "tls_failure"


def _once(exchange: Exchange) -> bool:
    reply(exchange, b"bye", {"Connection": "close"})
    return False


def test_sessions_are_resumed_where_connections_are_not_kept(trusted: Certificate) -> None:
    with LoopbackServer(context=trusted.context()) as secure:
        secure.on("/once", _once)
        urls = [f"https://{n % 10}.good.example/once?{n}" for n in range(100)]
        with Fetcher(secure.manners(per_host=1), QUICK) as fetcher:
            assert {response.body for _, response in fetcher.fetch_all(urls)} == {b"bye"}
        assert (secure.connections, secure.resumed) == (100, 90)


def test_the_file_of_certificates_is_read_once(trusted: Certificate) -> None:
    with LoopbackServer(context=trusted.context()) as secure:
        secure.on("/once", _once)
        with Fetcher(secure.manners(concurrency=1), QUICK) as fetcher:
            assert fetcher.fetch("https://0.good.example/once").reason is None
            text = trusted.certificate.read_bytes()
            trusted.certificate.write_bytes(b"")
            assert [fetcher.fetch(f"https://{n}.good.example/once").reason for n in range(5)] == [None] * 5
            trusted.certificate.write_bytes(text)
        assert secure.connections == 6
