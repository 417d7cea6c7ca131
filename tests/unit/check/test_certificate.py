"""A certificate is served in a TLS handshake, so that key, chain and dates are checked as a client checks them."""

import shutil
import subprocess
from datetime import timedelta

import pytest

from pratique.check.certificate import certificate_end, certificate_state
from pratique.clock import utc_now
from pratique.errors import DataError, MissingError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Authority:
    """Certificates made by openssl."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *words):
        subprocess.run(["openssl", *map(str, words)], cwd=self.folder, check=True, capture_output=True)

    def key(self, name, *, password=""):
        self.run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        if password:
            self.run("ec", "-in", f"{name}.key", "-aes256", "-passout", f"pass:{password}", "-out", f"{name}.key")
        return self.folder / f"{name}.key"

    def own_signed(self, name, *, days=100, use="serverAuth", password=""):
        """Certificate and key in one PEM file, signed by the key itself; days: below 0 it has ended."""
        key = self.key(name, password=password)
        start = utc_now() - timedelta(days=200)
        end = utc_now() + timedelta(days=days)
        self.run(
            *["req", "-new", "-key", key, "-passin", f"pass:{password}", "-subj", "/CN=shop", "-out", f"{name}.csr"]
        )
        (self.folder / "ext").write_text(f"extendedKeyUsage={use}\n")
        (self.folder / "index.txt").write_text("")
        (self.folder / "ca.conf").write_text(
            "[ca]\ndefault_ca=one\n[one]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n"
            "policy=any\n[any]\ncommonName=supplied\n"
        )
        self.run(
            *["ca", "-batch", "-config", "ca.conf", "-selfsign", "-keyfile", key, "-passin", f"pass:{password}"],
            *["-in", f"{name}.csr", "-out", f"{name}.crt", "-notext", "-extfile", "ext"],
            *["-startdate", f"{start:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}"],
        )
        return self.joined(name, f"{name}.crt", f"{name}.key")

    def joined(self, name, *parts):
        file = self.folder / f"{name}.pem"
        file.write_text("".join((self.folder / part).read_text() for part in parts))
        return file


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def test_a_valid_certificate_tells_when_it_ends(authority):
    file = authority.own_signed("shop", days=100)
    assert abs(certificate_end(file) - (utc_now() + timedelta(days=100))) < timedelta(minutes=5)
    message = certificate_state(file, warn_days=14)
    assert message.startswith(f"{file} contains its key and is valid until ")
    assert message.endswith("(100 days)")


def test_one_that_ends_soon_is_a_problem(authority):
    file = authority.own_signed("shop", days=3)
    assert certificate_state(file, warn_days=2)
    with pytest.raises(DataError, match=r"shop\.pem' expires in 3\.0 days: renew it"):
        certificate_state(file, warn_days=14)


def test_one_that_has_ended_is_a_problem(authority):
    with pytest.raises(DataError, match="has expired: renew it"):
        certificate_end(authority.own_signed("shop", days=-1))


def test_one_that_is_not_valid_yet_is_a_problem(authority, monkeypatch):
    monkeypatch.setattr(f"{__name__}.utc_now", lambda: utc_now_plus(300))
    file = authority.own_signed("shop")
    with pytest.raises(DataError, match="is not valid yet"):
        certificate_end(file)


def utc_now_plus(days):
    from pratique import clock  # noqa: PLC0415 - the name in this module is replaced

    return clock.utc_now() + timedelta(days=days)


def test_one_of_a_chain_needs_no_root(authority):
    authority.own_signed("root")
    authority.key("shop")
    authority.run("req", "-new", "-key", "shop.key", "-subj", "/CN=shop", "-out", "shop.csr")
    authority.run(
        *["x509", "-req", "-in", "shop.csr", "-CA", "root.crt", "-CAkey", "root.key", "-days", "50", "-out", "shop.crt"]
    )
    file = authority.joined("chain", "shop.crt", "root.crt", "shop.key")
    assert abs(certificate_end(file) - (utc_now() + timedelta(days=50))) < timedelta(minutes=5)


def test_a_key_of_another_certificate_is_a_problem(authority):
    authority.own_signed("shop")
    authority.key("other")
    with pytest.raises(DataError, match="key belongs to another certificate"):
        certificate_end(authority.joined("mixed", "shop.crt", "other.key"))


def test_a_key_with_a_password_is_a_problem_and_nobody_is_asked(authority):
    with pytest.raises(DataError, match="has a key with a password"):
        certificate_end(authority.own_signed("shop", password="secret"))


def test_a_missing_key_is_a_problem(authority):
    authority.own_signed("shop")
    with pytest.raises(DataError, match="contains no key"):
        certificate_end(authority.joined("alone", "shop.crt"))


def test_one_for_clients_is_a_problem(authority):
    with pytest.raises(DataError, match=r"is refused by TLS clients: unsuitable certificate purpose"):
        certificate_end(authority.own_signed("shop", use="clientAuth"))


def test_text_that_is_not_a_certificate_is_a_problem(authority, tmp_path):
    file = tmp_path / "a.pem"
    file.write_bytes(b"\xff\x00 not PEM")
    with pytest.raises(DataError, match="contains no certificate"):
        certificate_end(file)
    made = authority.own_signed("shop")
    file.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + made.read_text())
    with pytest.raises(DataError, match="cannot be served: certificate or key is damaged"):
        certificate_end(file)


def test_a_missing_file_is_a_problem(tmp_path):
    with pytest.raises(MissingError, match="does not exist"):
        certificate_end(tmp_path / "a.pem")
