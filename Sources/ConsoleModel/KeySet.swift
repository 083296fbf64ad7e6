// JWK Sets (RFC 7517): the keys of whoever signs tokens, as issuers publish them. A set comes as an object or as its text. Private
// halves have no place here: a set with one is refused, and nothing of it is kept. A secret for HMAC goes in and never comes out.

import Foundation

extension Console {
    package struct KeySet: Hashable, Sendable {
        package var keys: [Key] = []

        package init() {}
    }
}

extension Console.KeySet: Codable {
    private enum CodingKeys: String, CodingKey { case keys }

    package init(from decoder: any Decoder) throws {
        if let container = try? decoder.singleValueContainer(), let text = try? container.decode(String.self) {
            guard JSONSyntax.problem(in: Array(text.utf8)) == nil,
                let set = try? JSONDecoder().decode(Self.self, from: Data(text.utf8))
            else {
                throw DecodingError.typeMismatch(
                    Self.self, .init(codingPath: decoder.codingPath, debugDescription: ""))
            }
            self = set
            return
        }
        keys = try decoder.container(keyedBy: CodingKeys.self).decodeIfPresent([Key].self, forKey: .keys) ?? []
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(keys, forKey: .keys)
    }

    /// One key. Members that nothing here reads, certificates among them, are not kept.
    package struct Key: Codable, Hashable, Sendable {
        package var kty: String?
        package var kid: String?
        package var use: String?
        package var keyOperations: [String]?
        package var alg: String?
        /// Of EC and OKP.
        package var crv: String?
        package var x: String?
        package var y: String?
        /// Of RSA.
        package var n: String?
        package var e: String?
        /// Of oct: the secret. Write-only.
        package var k: Concealed<String>?
        /// Members of a private half that came with it. Never kept.
        package var privateMembers: [String] = []

        package init() {}

        private enum CodingKeys: String, CodingKey {
            case kty, kid, use, alg, crv, x, y, n, e, k
            case keyOperations = "key_ops"
        }

        private enum PrivateKeys: String, CodingKey, CaseIterable { case d, p, q, dp, dq, qi, oth }

        package init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            kty = try container.decodeIfPresent(String.self, forKey: .kty)
            kid = try container.decodeIfPresent(String.self, forKey: .kid)
            use = try container.decodeIfPresent(String.self, forKey: .use)
            keyOperations = try container.decodeIfPresent([String].self, forKey: .keyOperations)
            alg = try container.decodeIfPresent(String.self, forKey: .alg)
            crv = try container.decodeIfPresent(String.self, forKey: .crv)
            x = try container.decodeIfPresent(String.self, forKey: .x)
            y = try container.decodeIfPresent(String.self, forKey: .y)
            n = try container.decodeIfPresent(String.self, forKey: .n)
            e = try container.decodeIfPresent(String.self, forKey: .e)
            k = try container.decodeIfPresent(Concealed<String>.self, forKey: .k)
            let secret = try decoder.container(keyedBy: PrivateKeys.self)
            privateMembers = PrivateKeys.allCases.filter { secret.contains($0) }.map(\.rawValue)
        }
    }

    mutating func dropSecrets() {
        for index in keys.indices { keys[index].k = nil }
    }

    /// A key that comes without its secret keeps that of the stored key of the same `kid`.
    mutating func keepSecrets(of stored: Self) {
        for index in keys.indices where keys[index].kty == "oct" && keys[index].k == nil {
            keys[index].k = stored.keys.first { $0.kty == "oct" && $0.kid == keys[index].kid }?.k
        }
    }

    /// Keys that signatures are checked with, with their places in the set: those for encryption are left out.
    package var signing: [(index: Int, key: Key)] {
        keys.enumerated().filter { $1.signs }.map { (index: $0.offset, key: $0.element) }
    }
}

extension Console.KeySet.Key {
    fileprivate var signs: Bool { use ?? "sig" == "sig" && (keyOperations ?? ["verify"]).contains("verify") }

    /// What the key is made of.
    package enum Form: Hashable, Sendable {
        case rsa(modulus: [UInt8], exponent: [UInt8])
        /// Coordinates of full length.
        case p256(x: [UInt8], y: [UInt8])
        case p384(x: [UInt8], y: [UInt8])
        case p521(x: [UInt8], y: [UInt8])
        case ed25519([UInt8])
        case octets(Concealed<[UInt8]>)

        /// `alg` that the key may be for (RFC 7518 §3.1, RFC 8037 §3.1).
        package var algorithms: [String] {
            switch self {
            case .rsa: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
            case .p256: ["ES256"]
            case .p384: ["ES384"]
            case .p521: ["ES512"]
            case .ed25519: ["EdDSA"]
            case .octets: ["HS256", "HS384", "HS512"]
            }
        }
    }

    /// nil: `check` says why.
    package var form: Form? {
        var findings = Findings()
        return read("", &findings)
    }

    func check(_ field: String, _ findings: inout Findings) {
        guard privateMembers.isEmpty else {
            // The members' names only.
            findings.refuse(
                field,
                "Holds the private half of the key (\(privateMembers.joined(separator: ", "))). Give the public half only; the key is known to others now."
            )
            return
        }
        if let kid, kid.isEmpty || kid.utf8.count > 256 || Syntax.problem(withText: kid) != nil {
            findings.refuse("\(field).kid", "Must have 1 to 256 bytes without control characters.")
        }
        guard let form = read(field, &findings), let alg else { return }
        guard form.algorithms.contains(alg) else {
            findings.refuse("\(field).alg", "Must be \(form.algorithms.joined(separator: ", ")) for such a key.")
            return
        }
        if case .octets(let secret) = form, let bits = Int(alg.dropFirst(2)), secret.value.count * 8 < bits {
            findings.refuse("\(field).k", "Must have at least \(bits) bits for \(alg) (RFC 7518 §3.2).")
        }
    }

    private func read(_ field: String, _ findings: inout Findings) -> Form? {
        switch kty {
        case "RSA":
            guard let modulus = number(n, "\(field).n", &findings), let exponent = number(e, "\(field).e", &findings)
            else { return nil }
            let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
            guard (2_048...8_192).contains(bits) else {
                findings.refuse("\(field).n", "Has \(bits) bits. An RSA key must have 2048 to 8192.")
                return nil
            }
            // A large one makes each check slow; 1 would let anybody sign.
            guard exponent.count <= 4, exponent != [1], (exponent.last ?? 0) & 1 == 1 else {
                findings.refuse("\(field).e", "Must be odd, more than 1 and of at most 32 bits, such as AQAB.")
                return nil
            }
            return .rsa(modulus: modulus, exponent: exponent)
        case "EC":
            let sizes = ["P-256": 32, "P-384": 48, "P-521": 66]
            guard let size = crv.flatMap({ sizes[$0] }) else {
                findings.refuse("\(field).crv", "Must be P-256, P-384 or P-521.")
                return nil
            }
            guard let x = bytes(x, "\(field).x", size...size, &findings),
                let y = bytes(y, "\(field).y", size...size, &findings)
            else { return nil }
            return size == 32 ? .p256(x: x, y: y) : size == 48 ? .p384(x: x, y: y) : .p521(x: x, y: y)
        case "OKP":
            guard crv == "Ed25519" else {
                findings.refuse("\(field).crv", "Must be Ed25519.")
                return nil
            }
            return bytes(x, "\(field).x", 32...32, &findings).map { .ed25519($0) }
        case "oct":
            if kid == nil {
                findings.refuse("\(field).kid", "Is required of an oct key: its secret is kept under it.")
            }
            return bytes(k?.value, "\(field).k", 32...1_024, &findings).map { .octets(Concealed($0)) }
        default:
            findings.refuse("\(field).kty", "Must be RSA, EC, OKP or oct.")
            return nil
        }
    }

    /// Without zeros in front (RFC 7518 §6.3.1).
    private func number(_ text: String?, _ field: String, _ findings: inout Findings) -> [UInt8]? {
        bytes(text, field, 1...2_048, &findings).map { Array($0.drop { $0 == 0 }) }
    }

    private func bytes(
        _ text: String?, _ field: String, _ count: ClosedRange<Int>, _ findings: inout Findings
    ) -> [UInt8]? {
        guard let text else {
            findings.refuse(field, "Is required.")
            return nil
        }
        // The text may be a secret and must not stand in a message.
        guard let bytes = Base64URL.decode(text) else {
            findings.refuse(field, "Must be base64url without padding (RFC 7515 §2).")
            return nil
        }
        guard count.contains(bytes.count) else {
            findings.refuse(
                field,
                count.count == 1
                    ? "Has \(bytes.count) bytes. Must have \(count.lowerBound)."
                    : "Has \(bytes.count) bytes. Must have \(count.lowerBound) to \(count.upperBound).")
            return nil
        }
        return bytes
    }
}

/// base64url without padding (RFC 7515 §2), in the one form that encoders write.
enum Base64URL {
    static func decode(_ text: String) -> [UInt8]? {
        guard !text.utf8.contains(where: { [UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "=")].contains($0) })
        else { return nil }
        let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        let plain = text.replacing("-", with: "+").replacing("_", with: "/") + padding
        // Bits that are left over must be none.
        guard let data = Data(base64Encoded: plain), data.base64EncodedString() == plain else { return nil }
        return Array(data)
    }
}
