"""Certificates that cannot be used are said before anything starts; one that can is used."""

import datetime
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.errors import SettingError
from streaming.serve import serve
from streaming.settings import ServeSettings
from tests.e2e.servers import fake_server


def certificate(folder: Path, password: bytes | None = None) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    return cert_path, key_path


def refusal(tmp_path: Path, cert: Path, key: Path) -> str:
    settings = ServeSettings(port=0, data_dir=tmp_path / "data", tls_cert=cert, tls_key=key)
    with pytest.raises(SettingError) as refused:
        serve(settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_certificates_that_cannot_be_used_are_said(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path / "a")
    other_cert, other_key = certificate(tmp_path / "b")
    _, locked_key = certificate(tmp_path / "c", b"password")
    missing, text = tmp_path / "missing.pem", tmp_path / "text.pem"
    text.write_text("no certificate")
    assert f"{missing}: No such file" in refusal(tmp_path, missing, key)
    assert f"{missing}: No such file" in refusal(tmp_path, cert, missing)
    assert "both as PEM" in refusal(tmp_path, text, key)
    assert "both as PEM" in refusal(tmp_path, cert, text)
    assert "got another one" in refusal(tmp_path, cert, other_key)
    assert "without a password" in refusal(tmp_path, cert, locked_key)


def test_https_is_served_and_strangers_are_warned_of(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=str(cert))
    trusted.check_hostname = False  # the name is not what is tested
    with fake_server(tls_cert=str(cert), tls_key=str(key), host="0.0.0.0") as server:
        assert server.url.startswith("https:")
        page = httpx.get(server.url, verify=trusted)
        assert (page.status_code, page.http_version) == (200, "HTTP/1.1")
        assert f"serving https://0.0.0.0:{server.port}" in server.log
        assert "ANYBODY WHO REACHES 0.0.0.0" in server.log
