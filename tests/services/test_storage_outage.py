"""A store of one's own: killed and started again, with TLS, with buckets in host names, with a role instead of keys."""

import base64
import datetime
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from groundtune import storage
from groundtune.errors import SettingError, StorageError
from groundtune.storage import connection
from tests.fault_proxy import Fault, fault_proxy
from tests.servers import S3Server, free_port, s3_server

MIB = 1 << 20
DOMAIN = "s3.groundtune.test"
ROLE = "arn:aws:iam::role/Trainer"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own-store")


@pytest.fixture(scope="module")
def certificate(folder: Path) -> Path:
    """ca.pem signs itself and is what clients have to know; it is the server's certificate as well."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "groundtune tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "ca.pem"


class Issuer:
    """Signs tokens as a cluster does for its service accounts, and shows the public key that they are checked with."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self.key.public_key().public_numbers()
        entry = {"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig"}
        entry |= {"n": _text(numbers.n.to_bytes(256, "big")), "e": _text(numbers.e.to_bytes(3, "big"))}
        body = json.dumps({"keys": [entry]}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *given: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, **claims: object) -> str:
        now = int(time.time())
        claims = {"iss": self.uri, "aud": "groundtune", "sub": "system:serviceaccount:groundtune:train"} | claims
        claims |= {"iat": now, "exp": now + 3600}
        head = {"alg": "RS256", "typ": "JWT", "kid": "one"}
        signed = ".".join(_text(json.dumps(part).encode()) for part in (head, claims))
        return f"{signed}.{_text(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def own(folder: Path, certificate: Path, issuer: Issuer) -> Iterator[S3Server]:
    """A SeaweedFS that tests may kill, as long as it runs when they end."""
    iam = {
        "sts": {
            "tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "groundtune-sts",
            "signingKey": base64.b64encode(b"a key of the tests, 32 bytes or more").decode(),
        },
        "providers": [
            {
                "name": "cluster", "type": "oidc", "enabled": True,
                "config": {"issuer": issuer.uri, "clientId": "groundtune", "jwksUri": f"{issuer.uri}/keys"},
            }
        ],
        "policies": [
            {
                "name": "All",
                "document": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}],
                },
            }
        ],
        "roles": [
            {
                "roleName": "Trainer", "roleArn": ROLE, "attachedPolicies": ["All"],
                "trustPolicy": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Federated": "cluster"},
                            "Action": ["sts:AssumeRoleWithWebIdentity"],
                        }
                    ],
                },
            }
        ],
    }  # fmt: skip
    (folder / "iam.json").write_text(json.dumps(iam))
    options = [
        f"-s3.domainName={DOMAIN}",
        f"-s3.port.https={free_port()}",
        f"-s3.cert.file={certificate}",
        f"-s3.key.file={certificate.with_name('key.pem')}",
        f"-s3.iam.config={folder / 'iam.json'}",
    ]
    with s3_server(folder / "server", options) as server:
        yield server


@pytest.fixture
def place(own: S3Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """s3:// prefix of this test in the own store, which this process's environment points at."""
    for name, value in own.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GROUNDTUNE_S3_PATIENCE", "60")
    connection.client_of.cache_clear()  # another store, other keys
    yield f"{own.create_bucket('own')}/{request.node.name}"
    connection.client_of.cache_clear()


def parts_in(own: S3Server, uri: str) -> int:
    """How many parts of unfinished uploads the store holds."""
    name, key = storage.split_s3(uri)
    uploads = own.client().list_multipart_uploads(Bucket=name, Prefix=key).get("Uploads") or []
    found = [own.client().list_parts(Bucket=name, Key=key, UploadId=one["UploadId"]) for one in uploads]
    return sum(len(one.get("Parts") or []) for one in found)


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def big(tmp_path: Path, size: int) -> Path:
    """A file with no two parts alike."""
    with (tmp_path / "big.bin").open("wb") as stream:
        for number in range(size // MIB):
            stream.write(number.to_bytes(4, "big") * (MIB // 4))
    return tmp_path / "big.bin"


def test_a_store_that_is_killed_and_comes_back_gets_the_rest_of_an_upload(
    own: S3Server, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, uri = big(tmp_path, 64 * MIB), f"{place}/big.bin"
    with fault_proxy(int(own.endpoint.rpartition(":")[2])) as proxy:
        proxy.bandwidth = 8 * MIB  # a connection: two seconds for all
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        sending = threading.Thread(target=storage.publish_file, args=(file, uri))
        sending.start()
        wait_for(lambda: proxy.carried["up"] > 40 * MIB)
        own.kill()
        assert sending.is_alive()
        own.start()
        assert sending.is_alive() and parts_in(own, uri) >= 1
        sending.join(60)
        assert not sending.is_alive()
        assert proxy.carried["up"] < (64 + 4 * 8 + 1) * MIB  # no more than what was on its way again
        assert storage.fetch_file(uri, tmp_path / "back.bin").read_bytes() == file.read_bytes()


def test_a_killed_upload_leaves_nothing_half_and_the_next_one_clears_up(
    own: S3Server, place: str, tmp_path: Path
) -> None:
    file, uri = big(tmp_path, 80 * MIB), f"{place}/big.bin"  # more parts than travel at once
    code = "import sys, pathlib, groundtune.storage as s; s.publish_file(pathlib.Path(sys.argv[1]), sys.argv[2])"
    with fault_proxy(int(own.endpoint.rpartition(":")[2])) as proxy:
        proxy.bandwidth = 4 * MIB
        environment = {**os.environ, "AWS_ENDPOINT_URL": proxy.endpoint}
        child = subprocess.Popen([sys.executable, "-c", code, str(file), uri], env=environment)
        wait_for(lambda: parts_in(own, uri) >= 1)
        child.kill()
        child.wait()
    assert storage.list_files(place) == []
    with pytest.raises(StorageError, match="NoSuchKey"):
        storage.read_bytes(uri)
    name, key = storage.split_s3(uri)
    assert len(own.client().list_multipart_uploads(Bucket=name, Prefix=key)["Uploads"]) == 1
    # The next attempt is another process, begun after the upload was.
    subprocess.run([sys.executable, "-c", code, str(file), uri], check=True, timeout=60)
    assert not own.client().list_multipart_uploads(Bucket=name, Prefix=key).get("Uploads")
    assert storage.read_bytes(uri) == file.read_bytes()


def test_memory_does_not_grow_with_the_file(own: S3Server, place: str, tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from bench.engine import memory
from groundtune import storage
source, uri = Path(sys.argv[1]), sys.argv[2]
small = source.with_name("small.bin"); small.write_bytes(b"x")
storage.publish_file(small, uri + ".small"); storage.fetch_file(uri + ".small", small)
before = memory.peak()
storage.fetch_file(uri, source.with_name("back.bin")) if sys.argv[3] == "down" else storage.publish_file(source, uri)
print((memory.peak() - before) / 2**20)
"""
    file, uri = big(tmp_path, 200 * MIB), f"{place}/big.bin"
    for way, limit in (("up", 64.0), ("down", 24.0)):  # MiB; up: four parts of 8 MiB and what sending takes
        command = [sys.executable, "-c", code, str(file), uri, way]
        grown = float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
        assert grown < limit, way
    with file.open("rb") as one, (tmp_path / "back.bin").open("rb") as other:
        while chunk := one.read(MIB):
            assert other.read(MIB) == chunk
        assert not other.read(1)


@pytest.mark.parametrize("style", ["", "path", "virtual"])
def test_the_bucket_goes_where_the_addressing_says(
    style: str, own: S3Server, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo  # no name server knows this domain: that alone is not real here
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: resolve(
            "127.0.0.1" if str(host).endswith(DOMAIN) else host, *rest, **more
        )
    )  # fmt: skip
    (tmp_path / "x").write_bytes(b"content")
    with fault_proxy(int(own.endpoint.rpartition(":")[2])) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{DOMAIN}:{proxy.port}")
        monkeypatch.setenv("GROUNDTUNE_S3_ADDRESSING", style)
        storage.publish_file(tmp_path / "x", f"{place}/x")
        assert storage.read_bytes(f"{place}/x") == b"content"
        head = proxy.openings[0].decode()
    if style == "virtual":
        assert head.startswith("PUT /test_") and f"Host: own.{DOMAIN}:" in head
    else:
        assert head.startswith("PUT /own/test_") and f"Host: {DOMAIN}:" in head


def test_a_wrong_addressing_style_is_named(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDTUNE_S3_ADDRESSING", "subdomain")
    with pytest.raises(SettingError, match="GROUNDTUNE_S3_ADDRESSING.*subdomain.*path, virtual, auto"):
        storage.list_files(place)


def test_a_certificate_of_ones_own_authority_is_believed_when_the_bundle_names_it(
    own: S3Server, place: str, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = (option.rpartition("=")[2] for option in own.command if option.startswith("-s3.port.https"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{port}")
    began = time.monotonic()
    with pytest.raises(StorageError, match=r"certificate.*AWS_CA_BUNDLE"):
        storage.list_files(place)
    assert time.monotonic() - began < 10  # waiting mends no certificate
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(SettingError, match=r"AWS_CA_BUNDLE.*nowhere\.pem"):
        storage.list_files(place)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    file = big(tmp_path, 20 * MIB)
    storage.publish_file(file, f"{place}/big.bin")
    assert storage.read_bytes(f"{place}/big.bin") == file.read_bytes()
    with fault_proxy(int(port)) as proxy:  # damage is no longer TLS then, which boto3 tells in another way
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{proxy.port}")
        proxy.faults = [Fault("corrupt", "down", 5 * MIB), Fault("cut", "down", 3 * MIB)]
        assert storage.read_bytes(f"{place}/big.bin") == file.read_bytes()
        assert [fault.times for fault in proxy.faults] == [0, 0]


def test_a_service_accounts_role_needs_no_keys(
    own: S3Server, place: str, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "token").write_text(issuer.token())
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    (tmp_path / "x").write_bytes(b"written by a role")
    storage.publish_file(tmp_path / "x", f"{place}/x")
    assert storage.read_bytes(f"{place}/x") == b"written by a role"

    connection.client_of.cache_clear()
    (tmp_path / "token").write_text(issuer.token(aud="somebody else"))
    with pytest.raises(StorageError, match=r"AWS_ROLE_ARN.*AWS_WEB_IDENTITY_TOKEN_FILE"):
        storage.list_files(place)
