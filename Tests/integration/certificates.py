"""Certificates made with openssl while the tests run, so that none ever expires in the repository."""

import base64
import dataclasses
import pathlib
import subprocess


def openssl(*arguments, cwd=None, stdin=None):
    run = subprocess.run(["openssl", *map(str, arguments)], cwd=cwd, input=stdin, capture_output=True, text=True)
    assert run.returncode == 0, f"openssl {' '.join(map(str, arguments))}: {run.stderr}"
    return run.stdout


@dataclasses.dataclass
class Identity:
    """PEM texts of a certificate with its key; `chain` is leaf first."""

    cert: str
    key: str
    chain: str
    path: pathlib.Path  # of the certificate; the key is beside it, with the suffix .key

    @property
    def key_path(self):
        return self.path.with_suffix(".key")


def pack(identity, passphrase, *options):
    """A PKCS#12 file of it in base64."""
    path = identity.path.with_suffix(".p12")
    above = path.with_suffix(".above.pem")
    above.write_text(identity.chain.removeprefix(identity.cert))
    more = ["-certfile", above] if above.read_text() else []
    openssl(
        "pkcs12", "-export", "-inkey", identity.key_path, "-in", identity.path, *more, "-passout", f"pass:{passphrase}", "-out", path, *options
    )
    return base64.b64encode(path.read_bytes()).decode()


KEYS = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    "ec384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
    "rsa": ["-newkey", "rsa:2048"],
    "rsa1024": ["-newkey", "rsa:1024"],
    "ed25519": ["-newkey", "ed25519"],
}


class Authority:
    """A CA of its own in a folder, which signs what the tests need."""

    def __init__(self, folder, name="Test CA", parent=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.parent = parent
        self.count = 0
        self.path = self.folder / "ca.pem"
        self.key_path = self.folder / "ca.key"
        if parent:
            identity = parent.issue(name, cn=name, san=None, ca=True)
            self.path.write_text(identity.cert)
            self.key_path.write_text(identity.key)
        else:
            openssl(
                "req",
                "-x509",
                *KEYS["ec"],
                "-nodes",
                "-keyout",
                self.key_path,
                "-out",
                self.path,
                "-days",
                30,
                "-subj",
                f"/CN={name}",
            )
        self.cert = self.path.read_text()
        (self.folder / "index.txt").write_text("")
        (self.folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\n"
            "rand_serial=yes\nunique_subject=no\nemail_in_dn=no\n[any]\ncommonName=optional\n"
        )

    def issue(self, name, *more, cn=None, san="", key="ec", ca=False, start=None, end=None, also=()):
        """A leaf for `name` and `more`. san: None for no SAN at all. start, end: YYYYMMDDHHMMSSZ. also: extensions."""
        self.count += 1
        base = self.folder / f"{self.count}-{name.replace('*', 'star').replace(' ', '-')}"
        base.with_suffix("").parent.mkdir(exist_ok=True)
        path, key_path = base.parent / f"{base.name}.pem", base.parent / f"{base.name}.key"
        request, extensions = base.parent / f"{base.name}.csr", base.parent / f"{base.name}.ext"
        openssl("req", "-new", *KEYS[key], "-nodes", "-keyout", key_path, "-out", request, "-subj", f"/CN={cn or name}")
        lines = ["basicConstraints=critical,CA:TRUE"] if ca else ["basicConstraints=CA:FALSE"]
        if san is not None:
            lines.append("subjectAltName=" + ",".join(f"DNS:{each}" for each in (name, *more)))
        extensions.write_text("\n".join([*lines, *also]) + "\n")
        dates = ["-startdate", start or "20200101000000Z", "-enddate", end or "20490101000000Z"]
        openssl(
            "ca",
            "-batch",
            "-config",
            "ca.cnf",
            "-in",
            request.name,
            "-out",
            path.name,
            "-cert",
            "ca.pem",
            "-keyfile",
            "ca.key",
            "-notext",
            "-extfile",
            extensions.name,
            *dates,
            cwd=self.folder,
        )
        chain, above = path.read_text(), self
        while above.parent:
            chain, above = chain + above.cert, above.parent
        return Identity(path.read_text(), key_path.read_text(), chain, path)
