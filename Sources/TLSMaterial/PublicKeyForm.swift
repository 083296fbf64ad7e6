// Public keys out of their numbers, as JWKs have them: SubjectPublicKeyInfo in DER (RFC 5280 §4.1), which OpenSSL reads and checks.

/// What a public key is made of.
package enum PublicKeyForm: Hashable, Sendable {
    case rsa(modulus: [UInt8], exponent: [UInt8])
    /// Coordinates of full length, on the curve with this many bits.
    case curve(bits: Int, x: [UInt8], y: [UInt8])
    case ed25519([UInt8])

    package var der: [UInt8] {
        switch self {
        case .rsa(let modulus, let exponent):
            // rsaEncryption (RFC 3279 §2.3.1)
            Self.info(
                Self.object([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]) + [0x05, 0x00],
                Self.sequence(Self.integer(modulus) + Self.integer(exponent)))
        case .curve(let bits, let x, let y):
            // id-ecPublicKey and the curve's name (RFC 5480 §2.1.1), then the point, not compressed
            Self.info(
                Self.object([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]) + Self.object(Self.curve(bits)), [0x04] + x + y)
        case .ed25519(let key):
            // RFC 8410 §3
            Self.info(Self.object([0x2b, 0x65, 0x70]), key)
        }
    }

    private static func curve(_ bits: Int) -> [UInt8] {
        switch bits {
        case 256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]
        case 384: [0x2b, 0x81, 0x04, 0x00, 0x22]
        default: [0x2b, 0x81, 0x04, 0x00, 0x23]
        }
    }

    private static func info(_ algorithm: [UInt8], _ key: [UInt8]) -> [UInt8] {
        sequence(sequence(algorithm) + value(0x03, [0x00] + key))
    }

    private static func sequence(_ content: [UInt8]) -> [UInt8] { value(0x30, content) }
    private static func object(_ content: [UInt8]) -> [UInt8] { value(0x06, content) }

    /// Of a number without sign.
    private static func integer(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array(bytes.drop { $0 == 0 })
        return value(0x02, (digits.first ?? 0x80) & 0x80 == 0 ? digits : [0x00] + digits)
    }

    private static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        if content.count < 0x80 { return [tag, UInt8(content.count)] + content }
        var length: [UInt8] = []
        var rest = content.count
        while rest > 0 {
            length.insert(UInt8(truncatingIfNeeded: rest), at: 0)
            rest >>= 8
        }
        return [tag, 0x80 | UInt8(length.count)] + length + content
    }
}
