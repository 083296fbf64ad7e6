"""The admin API over TLS: with files or a stored certificate, elsewhere than on loopback, renewed while it runs."""

import pathlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest
import requests

from integration.certificates import openssl
from integration.waiting import wait_until

NAME = "admin.test"


@pytest.fixture
def certificate(authority):
    return authority.issue(NAME, "localhost")


def shown(gateway, address="127.0.0.1", **more):
    """The certificate that a handshake shows, in DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in more.items():
        setattr(context, name, value)
    with socket.create_connection((address, gateway.admin_port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=NAME) as tls:
            return tls.getpeercert(binary_form=True)


def der(pem_path):
    return ssl.PEM_cert_to_DER_cert(pathlib.Path(pem_path).read_text().split("-----END")[0] + "-----END CERTIFICATE-----\n")


def secure(gateway, *options):
    """The control plane with more options, once it speaks TLS."""
    gateway.control.command += [str(option) for option in options]
    gateway.start_control(wait=False)
    gateway.api.base = f"https://localhost:{gateway.admin_port}"

    def ready():
        assert gateway.control.running, gateway.control.log_text()[-2000:]
        try:
            return shown(gateway)
        except OSError:
            return None

    wait_until(ready, 20, "TLS at the admin port")
    return gateway


@pytest.fixture
def files(certificate, tmp_path):
    """Copies that a test may replace."""
    made = tmp_path / "admin.pem", tmp_path / "admin.key"
    shutil.copy(certificate.path, made[0])
    shutil.copy(certificate.key_path, made[1])
    return made


@pytest.fixture
def with_files(new_gateway, authority, files):
    gateway = secure(new_gateway(), "--admin-certificate", files[0], "--admin-key", files[1], "--host", NAME)
    gateway.api.session.verify = str(authority.path)
    gateway.api.initialize()
    return gateway


def test_curl_checks_the_certificate(with_files, authority):
    url = f"https://{NAME}:{with_files.admin_port}"
    answer = subprocess.run(
        ["curl", "-sS", "--cacert", authority.path, "--resolve", f"{NAME}:{with_files.admin_port}:127.0.0.1",
         "-u", "admin:tests: a pass:word", f"{url}/user/info"],
        capture_output=True, text=True, timeout=20, check=True,
    ).stdout
    assert '"admin"' in answer
    with_files.api.post("/v1/domains", {"name": "shop.test", "enableHttps": "off"}, live=False)
    assert with_files.api.get("/v1/domains/shop.test")["name"] == "shop.test"


def test_the_cookie_is_for_tls_alone(with_files):
    api = with_files.api
    login = api.expect(201, "POST", "/session/login", {"username": api.user, "password": api.password}, auth=False)
    assert "Secure" in login.headers["Set-Cookie"] and "HttpOnly" in login.headers["Set-Cookie"]
    # A page of this server, and one of another.
    body = {"name": "origin.test", "enableHttps": "off"}
    api.expect(201, "POST", "/v1/domains", body, headers={"Origin": f"https://localhost:{with_files.admin_port}"})
    api.expect(403, "POST", "/v1/domains", body, headers={"Origin": "https://evil.test"})


def test_old_versions_and_clear_text_are_refused(with_files):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert shown(with_files, minimum_version=version, maximum_version=version)
    with pytest.raises(OSError):
        shown(with_files, maximum_version=ssl.TLSVersion.TLSv1_1)
    with socket.create_connection(("127.0.0.1", with_files.admin_port), timeout=10) as plain:
        plain.sendall(b"GET /user/info HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not plain.recv(4096).startswith(b"HTTP/1.1 200")
    assert with_files.control.running


def test_renewed_files_are_shown_without_a_restart(with_files, authority, files):
    before = shown(with_files)
    assert before == der(files[0])
    renewed = authority.issue(NAME, "localhost")
    # One after the other: for a moment they do not fit, and the one before goes on.
    shutil.copy(renewed.path, files[0])
    assert shown(with_files) == before
    shutil.copy(renewed.key_path, files[1])
    assert shown(with_files) == der(renewed.path) != before
    files[1].write_text("no key")
    assert shown(with_files) == der(renewed.path)
    files[0].unlink()
    assert shown(with_files) == der(renewed.path)
    log = with_files.control.log_text()
    assert "cannot be renewed" in log and renewed.key.splitlines()[1] not in log


def test_a_stored_one_is_shown_and_followed(new_gateway, authority, certificate):
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    pem = {"name": "admin", "cert": certificate.chain, "key": certificate.key}
    gateway.api.post("/v1/tls-certificates", pem, live=False)
    gateway.control.stop()
    secure(gateway, "--admin-certificate-name", "admin")
    gateway.api.session.verify = str(authority.path)
    assert shown(gateway) == der(certificate.path)
    renewed = authority.issue(NAME, "localhost")
    pem = {"name": "admin", "cert": renewed.chain, "key": renewed.key}
    gateway.api.put("/v1/tls-certificates/admin", pem, live=False)
    assert shown(gateway) == der(renewed.path)
    refused = gateway.api.expect(409, "DELETE", "/v1/tls-certificates/admin").json()
    assert "--admin-certificate-name" in refused["message"]


def test_it_listens_on_all_addresses_for_names_that_are_given(new_gateway, authority, files):
    gateway = new_gateway()
    gateway.control.command += ["--admin-address", "0.0.0.0"]
    secure(gateway, "--admin-certificate", files[0], "--admin-key", files[1], "--host", NAME)
    gateway.api.session.verify = str(authority.path)
    gateway.api.initialize()
    for host, status in ((NAME, 200), ("localhost", 200), ("evil.test", 421)):
        answer = requests.get(
            f"{gateway.api.base}/user/info", auth=(gateway.api.user, gateway.api.password), verify=str(authority.path),
            headers={"Host": f"{host}:{gateway.admin_port}"}, timeout=10,
        )
        assert answer.status_code == status, host


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--admin-address", "0.0.0.0"], ["--admin-address 0.0.0.0", "--admin-certificate"]),
        (["--admin-certificate", "{cert}"], ["--admin-key"]),
        (["--admin-key", "{key}"], ["--admin-certificate"]),
        (["--admin-certificate", "{cert}", "--admin-key", "/nowhere.key"], ["--admin-key /nowhere.key", "cannot be read"]),
        (["--admin-certificate", "{key}", "--admin-key", "{key}"], ["--admin-certificate"]),
        (["--admin-certificate", "{cert}", "--admin-key", "{other}"], ["--admin-key"]),
        (["--admin-certificate", "{cert}", "--admin-key", "{encrypted}"], ["--admin-key", "ncrypted"]),
        (["--admin-certificate-name", "nobody"], ["--admin-certificate-name nobody", "no such certificate"]),
        (["--admin-certificate", "{cert}", "--admin-key", "{key}", "--admin-certificate-name", "x"], ["in place of"]),
    ],
)
def test_what_cannot_be_used_is_named_at_the_start(new_gateway, authority, files, tmp_path, options, words):
    encrypted = tmp_path / "encrypted.key"
    openssl("pkey", "-in", files[1], "-aes256", "-passout", "pass:secret", "-out", encrypted)
    other = authority.issue("other.test").key_path
    paths = {"cert": files[0], "key": files[1], "other": other, "encrypted": encrypted}
    gateway = new_gateway()
    gateway.control.command += [option.format(**paths) for option in options]
    gateway.start_control(wait=False)
    assert gateway.control.process.wait(20) != 0
    log = gateway.control.log_text()
    assert all(word in log for word in words), log
    assert files[1].read_text().splitlines()[1] not in log


def test_handshakes_that_are_left_hold_up_nobody(with_files):
    left = [socket.create_connection(("127.0.0.1", with_files.admin_port)) for _ in range(50)]
    try:
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(with_files.api.expect(200, "GET", "/user/info").status_code))
            for _ in range(4)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(20)
        assert answers == [200] * 4
    finally:
        for each in left:
            each.close()
