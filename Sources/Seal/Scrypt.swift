// Passwords are stored as scrypt (RFC 7914) with a salt of their own. Parameters and salt stand in the text, so that they
// can grow later while old texts still verify.

import COpenSSL

/// Hashing and checking of passwords. Takes tens of milliseconds and 32 MiB by design: never on an event loop.
package enum Scrypt {
    /// Cost of one hash: time and memory grow with 2^logN · r, time with p.
    package struct Parameters: Hashable, Sendable {
        package var logN: UInt8
        package var r: UInt8
        package var p: UInt8

        package init(logN: UInt8, r: UInt8, p: UInt8) {
            self.logN = logN
            self.r = r
            self.p = p
        }

        /// What new passwords get.
        package static let standard = Parameters(logN: 15, r: 8, p: 1)

        fileprivate var memory: UInt64 { 128 * UInt64(r) * (UInt64(1) << UInt64(logN) + UInt64(p) + 2) }

        /// A damaged or forged text must not be able to ask for gigabytes or minutes.
        fileprivate var isAcceptable: Bool {
            (1...20).contains(logN) && (1...32).contains(r) && (1...16).contains(p) && memory <= 1 << 28
        }
    }

    private static let saltBytes = 16

    /// `scrypt$LOGN$R$P$SALT$HASH`, salt and hash in hexadecimal.
    package static func hash(
        _ password: Secret, parameters: Parameters = .standard
    ) throws(ScryptError) -> String {
        precondition(parameters.isAcceptable, "no such scrypt parameters")
        let salt = Random.bytes(saltBytes)
        let hash = try derive(password, salt: salt, parameters)
        return "scrypt$\(parameters.logN)$\(parameters.r)$\(parameters.p)$\(Hex.encode(salt))$\(hash.hex)"
    }

    /// Whether that password was hashed to this text.
    package static func verify(_ password: Secret, against text: String) throws(ScryptError) -> Bool {
        guard let stored = Stored(text) else { throw .malformed }
        return constantTimeEqual(try derive(password, salt: stored.salt, stored.parameters), stored.hash)
    }

    /// Whether the text was made with other parameters than these, so that the next login should hash anew.
    package static func isOutdated(_ text: String, parameters: Parameters = .standard) -> Bool {
        Stored(text)?.parameters != parameters
    }

    /// A key from a passphrase, as long as a sealing key. The same salt and parameters give the same one.
    package static func key(
        _ passphrase: Secret, salt: [UInt8], parameters: Parameters = .standard
    ) throws(ScryptError) -> Secret {
        guard parameters.isAcceptable, !salt.isEmpty else { throw .malformed }
        return Secret(try derive(passphrase, salt: salt, parameters).bytes)
    }

    private static func derive(
        _ password: Secret, salt: [UInt8], _ parameters: Parameters
    ) throws(ScryptError) -> Hash256 {
        var hash = Hash256()
        let done = password.bytes.withUnsafeBytes { password in
            hash.withUnsafeMutableBytes { out in
                EVP_PBE_scrypt(
                    password.baseAddress?.assumingMemoryBound(to: CChar.self), password.count, salt, salt.count,
                    UInt64(1) << UInt64(parameters.logN), UInt64(parameters.r), UInt64(parameters.p),
                    parameters.memory + 4_096, out.baseAddress?.assumingMemoryBound(to: UInt8.self), out.count)
            }
        }
        guard done == 1 else {
            ERR_clear_error()
            throw .noMemory
        }
        return hash
    }

    /// The parts of a text that `hash` made.
    private struct Stored {
        var parameters: Parameters
        var salt: [UInt8]
        var hash: Hash256

        init?(_ text: String) {
            let parts = text.split(separator: "$", omittingEmptySubsequences: false)
            guard parts.count == 6, parts[0] == "scrypt", let logN = UInt8(parts[1]), let r = UInt8(parts[2]),
                let p = UInt8(parts[3]), let salt = Hex.decode(String(parts[4])),
                let hash = Hash256(hex: String(parts[5]))
            else { return nil }
            parameters = Parameters(logN: logN, r: r, p: p)
            self.salt = salt
            self.hash = hash
            guard parameters.isAcceptable, !salt.isEmpty else { return nil }
        }
    }
}

/// Why a password could not be hashed or compared.
package enum ScryptError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The stored text was not made by `Scrypt.hash`.
    case malformed
    case noMemory

    package var description: String {
        switch self {
        case .malformed: "the stored password hash is damaged"
        case .noMemory: "not enough memory to hash a password"
        }
    }
}
