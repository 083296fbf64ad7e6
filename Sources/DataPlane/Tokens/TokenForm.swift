// A token credential as loops look at it: laid out once when a consumer is new or has changed, read by all loops, freed with the last
// table that knows it.

internal import COpenSSL
internal import ConfigModel
internal import Glibc
internal import Seal
internal import TLSMaterial

typealias TokenFormPointer = UnsafePointer<TokenForm>

struct TokenForm {
    struct Key {
        let id: FixedText
        /// The algorithms that it is for, as bits of their raw values.
        let algorithms: UInt16
        /// nil: a secret.
        let pkey: OpaquePointer?
        let octets: FixedText
    }

    struct Claim {
        let name: FixedText
        let header: FixedText
    }

    /// Number of the consumer.
    let consumer: Int
    let source: CredentialSource
    /// The header or query parameter that has it.
    let key: FixedText
    let issuer: FixedText
    /// Empty: any.
    let subject: FixedText
    let audiences: UnsafeMutableBufferPointer<FixedText>
    let keys: UnsafeMutableBufferPointer<Key>
    let clockSkew: Double
    let claims: UnsafeMutableBufferPointer<Claim>
    let keepsToken: Bool

    func takes(audience: UnsafeRawBufferPointer) -> Bool {
        for wanted in audiences where same(wanted.bytes, audience) { return true }
        return false
    }
}

/// Whether both have the same bytes. Of nothing that is secret.
func same(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count else { return false }
    guard let a = a.baseAddress, let start = b.baseAddress else { return true }
    return memcmp(a, start, b.count) == 0
}

/// Owns the memory of a form. `@unchecked Sendable`: written when it is made, then only read.
final class TokenMaterial: @unchecked Sendable {
    let form: TokenFormPointer
    let source: CredentialSource
    let key: String
    /// Headers that its claims are told in.
    let headers: [String]
    /// What the same tokens lead to.
    let claim: Hash256
    private let keys: [VerificationKey]

    /// The form for whoever keeps this alive. Looking one up counts no references, which all loops would share.
    struct Reference: @unchecked Sendable {
        let form: TokenFormPointer
    }

    var reference: Reference { Reference(form: form) }

    /// Why keys cannot be used, by their places.
    struct Failure: Error {
        let index: Int
        let reason: String
    }

    init(_ credential: TokenCredential, consumer: Int) throws(Failure) {
        var keys: [VerificationKey] = []
        for (index, key) in credential.keys.enumerated() {
            do {
                keys.append(try VerificationKey(key))
            } catch {
                throw Failure(index: index, reason: error.reason)
            }
        }
        self.keys = keys
        claim = Self.claim(credential.issuer, credential.subject)
        source = credential.source
        key = credential.key
        headers = credential.claims.map(\.header)
        let form = UnsafeMutablePointer<TokenForm>.allocate(capacity: 1)
        form.initialize(
            to: TokenForm(
                consumer: consumer, source: credential.source, key: FixedText(credential.key),
                issuer: FixedText(credential.issuer), subject: FixedText(credential.subject),
                audiences: .copy(credential.audiences.map { FixedText($0) }),
                keys: .copy(
                    zip(credential.keys, keys).map { key, handle in
                        TokenForm.Key(
                            id: FixedText(key.id),
                            algorithms: TokenAlgorithm.allCases.reduce(0) {
                                $0 | (key.takes($1) ? 1 << $1.rawValue : 0)
                            },
                            pkey: handle.pkey, octets: FixedText(bytes: handle.octets.bytes))
                    }),
                clockSkew: Double(credential.clockSkew),
                claims: .copy(
                    credential.claims.map {
                        TokenForm.Claim(name: FixedText($0.claim), header: FixedText($0.header))
                    }),
                keepsToken: credential.keepsToken))
        self.form = TokenFormPointer(form)
    }

    deinit {
        let form = UnsafeMutablePointer(mutating: form)
        for key in form.pointee.keys {
            key.id.deallocate()
            if let secret = UnsafeMutableRawPointer(mutating: key.octets.bytes.baseAddress) {
                OPENSSL_cleanse(secret, key.octets.bytes.count)
            }
            key.octets.deallocate()
        }
        for claim in form.pointee.claims {
            claim.name.deallocate()
            claim.header.deallocate()
        }
        for audience in form.pointee.audiences { audience.deallocate() }
        for text in [form.pointee.key, form.pointee.issuer, form.pointee.subject] { text.deallocate() }
        form.pointee.keys.deallocate()
        form.pointee.claims.deallocate()
        form.pointee.audiences.deallocate()
        form.deallocate()
    }

    /// What a credential is found by. Neither text holds a control character.
    private static func claim(_ issuer: String, _ subject: String) -> Hash256 {
        SHA256.hash(Array(issuer.utf8) + [0] + Array(subject.utf8))
    }
}

extension VerificationKey {
    fileprivate convenience init(_ key: TokenKey) throws(TLSMaterialError) {
        let kind: Kind =
            switch key.type {
            case .octets: .octets
            case .rsa: .rsa
            case .p256: .curve(256)
            case .p384: .curve(384)
            case .p521: .curve(521)
            case .ed25519: .ed25519
            }
        try self.init(kind, key.material)
    }
}
