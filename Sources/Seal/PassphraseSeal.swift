// Sealing under a passphrase, for what leaves this machine: exports and backups. The parameters of scrypt and the salt travel
// with it, so that it opens anywhere.

/// Bytes under a passphrase.
package enum PassphraseSeal {
    private static let saltBytes = 16
    /// Dearer than a login: who has the file can try as often as he likes.
    private static let parameters = Scrypt.Parameters(logN: 17, r: 8, p: 1)

    /// `causeway-sealed$LOGN$R$P$SALT$SEALED`, salt and sealed bytes in hexadecimal. `purpose`: what it is; it opens as
    /// nothing else.
    package static func seal(_ bytes: [UInt8], passphrase: Secret, purpose: String) throws -> String {
        let salt = Random.bytes(saltBytes)
        let sealed = try key(passphrase, salt, parameters).seal(bytes, context: purpose)
        return [
            "causeway-sealed", "\(parameters.logN)", "\(parameters.r)", "\(parameters.p)", Hex.encode(salt),
            Hex.encode(sealed),
        ].joined(separator: "$")
    }

    package static func open(_ text: String, passphrase: Secret, purpose: String) throws -> [UInt8] {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "causeway-sealed", let logN = UInt8(parts[1]), let r = UInt8(parts[2]),
            let p = UInt8(parts[3]), let salt = Hex.decode(String(parts[4])), let sealed = Hex.decode(String(parts[5]))
        else { throw PassphraseError.malformed }
        do {
            let parameters = Scrypt.Parameters(logN: logN, r: r, p: p)
            return try key(passphrase, salt, parameters).open(sealed, context: purpose)
        } catch ScryptError.noMemory {
            throw ScryptError.noMemory
        } catch ScryptError.malformed {
            throw PassphraseError.malformed
        } catch {
            // The key's id differs already when the passphrase is another one.
            throw PassphraseError.wrongPassphrase
        }
    }

    private static func key(
        _ passphrase: Secret, _ salt: [UInt8], _ parameters: Scrypt.Parameters
    ) throws -> SealingKey {
        guard let key = SealingKey(try Scrypt.key(passphrase, salt: salt, parameters: parameters)) else {
            preconditionFailure("scrypt makes keys of the right size")
        }
        return key
    }
}

/// Why something sealed under a passphrase does not open.
package enum PassphraseError: Error, Hashable, Sendable, CustomStringConvertible {
    case malformed
    case wrongPassphrase

    package var description: String {
        switch self {
        case .malformed: "this is not sealed data, or it was cut"
        case .wrongPassphrase: "the passphrase is wrong, or the data was changed"
        }
    }
}
