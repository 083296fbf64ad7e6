"""An issuer of JSON Web Tokens: PyJWT signs, its keys are published as a JWK Set; and tokens that no library would make."""

import base64
import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.test"
AUDIENCE = "shop"


def b64(data):
    if not isinstance(data, bytes):
        data = (data if isinstance(data, str) else json.dumps(data)).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    """A key pair, or a secret, for one algorithm; `jwk` is what others may see (of a secret: all)."""

    def __init__(self, algorithm, kid=None, bits=2048, octets=None):
        self.algorithm, self.kid = algorithm, kid
        match algorithm[:2]:
            case "RS" | "PS":
                self.private = rsa.generate_private_key(65537, bits)
                self.jwk = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
            case "ES":
                curve = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}[algorithm]
                self.private = ec.generate_private_key(curve())
                self.jwk = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
            case "Ed":
                self.private = ed25519.Ed25519PrivateKey.generate()
                self.jwk = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
            case "HS":
                self.private = octets or bytes(range(64))
                self.jwk = {"kty": "oct", "k": b64(self.private), "alg": algorithm}
        self.jwk.pop("key_ops", None)
        if kid:
            self.jwk["kid"] = kid

    def sign(self, header=None, algorithm=None, **claims):
        """A good token, but for what is said otherwise; a claim of None is left out."""
        header = {**({"kid": self.kid} if self.kid else {}), **(header or {})}
        return jwt.encode(claims_of(**claims), self.private, algorithm or self.algorithm, headers=header)

    def sign_raw(self, header, payload):
        """The signature is good, and header and payload are as they are given: objects, text or bytes."""
        text = f"{b64(header)}.{b64(payload)}"
        library = jwt.get_algorithm_by_name(self.algorithm)
        return f"{text}.{b64(library.sign(text.encode(), library.prepare_key(self.private)))}"


def claims_of(**claims):
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 600, **claims}
    return {name: value for name, value in whole.items() if value is not None}


def credential(*keys, **more):
    """A credential of a consumer that takes what the keys sign."""
    return {"type": "jwt", "issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"keys": [each.jwk for each in keys]}, **more}


def bearer(token):
    return ("authorization", f"Bearer {token}")
