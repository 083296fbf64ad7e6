// The keys of token issuers, from JWKs to what workers check signatures with. What a worker could not use is refused when it is saved:
// a point that is not on its curve has the right length and is no key.

import ConfigModel
import ConsoleModel
import Seal
import TLSMaterial

extension Console.KeySet.Key {
    /// nil: it is no key, as `check` of its consumer says.
    var compiled: TokenKey? {
        guard let form else { return nil }
        let (type, _, material) = Self.material(form)
        let algorithm = TokenAlgorithm.allCases.first { "\($0.name)" == alg }
        return TokenKey(id: kid ?? "", type: type, algorithm: algorithm, material: material)
    }

    private static func material(_ form: Form) -> (TokenKeyType, VerificationKey.Kind, Secret) {
        switch form {
        case .rsa(let modulus, let exponent):
            (.rsa, .rsa, Secret(PublicKeyForm.rsa(modulus: modulus, exponent: exponent).der))
        case .p256(let x, let y): (.p256, .curve(256), Secret(PublicKeyForm.curve(bits: 256, x: x, y: y).der))
        case .p384(let x, let y): (.p384, .curve(384), Secret(PublicKeyForm.curve(bits: 384, x: x, y: y).der))
        case .p521(let x, let y): (.p521, .curve(521), Secret(PublicKeyForm.curve(bits: 521, x: x, y: y).der))
        case .ed25519(let key): (.ed25519, .ed25519, Secret(PublicKeyForm.ed25519(key).der))
        case .octets(let secret): (.octets, .octets, Secret(secret.value))
        }
    }

    /// What OpenSSL finds wrong with it.
    fileprivate var problem: String? {
        guard let form else { return nil }
        let (_, kind, material) = Self.material(form)
        do {
            _ = try VerificationKey(kind, material)
            return nil
        } catch {
            return "\(error.reason.prefix(1).uppercased())\(error.reason.dropFirst())."
        }
    }
}

extension Console.Consumer {
    /// The rules of the consumer itself, and whether its issuers' keys are keys.
    func checkWithKeys() -> Findings {
        var findings = check()
        guard findings.errors.isEmpty else { return findings }
        for (index, credential) in credentials.enumerated() where credential.kind == .token {
            for (place, key) in credential.jwks?.signing ?? [] {
                if let problem = key.problem { findings.refuse("credentials[\(index)].jwks.keys[\(place)]", problem) }
            }
        }
        return findings
    }
}
