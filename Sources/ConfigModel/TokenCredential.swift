// JSON Web Tokens (RFC 7519) by which a consumer is known: who signs them, with what, and what is taken out of them.

package import Seal

/// Tokens of one issuer, perhaps of one subject of it, shown in one place of a request.
package struct TokenCredential: Hashable, Sendable {
    /// Any but basic authentication.
    package var source: CredentialSource
    /// Header in lower case, or query parameter; empty for the other source.
    package var key: String
    /// The claim `iss`, exactly.
    package var issuer: String
    /// The claim `sub`, exactly; empty: any.
    package var subject: String
    /// One of them must be in the claim `aud`; empty: it does not count.
    package var audiences: [String]
    package var keys: [TokenKey]
    /// Seconds by which the issuer's clock may differ.
    package var clockSkew: UInt32
    package var claims: [ClaimHeader]
    /// Whether the upstream sees the token.
    package var keepsToken: Bool

    package init(
        source: CredentialSource, key: String = "", issuer: String, subject: String = "", audiences: [String] = [],
        keys: [TokenKey], clockSkew: UInt32 = 60, claims: [ClaimHeader] = [], keepsToken: Bool = true
    ) {
        self.source = source
        self.key = key
        self.issuer = issuer
        self.subject = subject
        self.audiences = audiences
        self.keys = keys
        self.clockSkew = clockSkew
        self.claims = claims
        self.keepsToken = keepsToken
    }

    /// What no two credentials of a snapshot may share: a token is of one consumer.
    var claim: TokenClaim { TokenClaim(source: source, key: key, issuer: issuer, subject: subject) }
}

struct TokenClaim: Hashable, Sendable {
    let source: CredentialSource
    let key: String
    let issuer: String
    let subject: String
}

/// A key that signatures are checked with.
package struct TokenKey: Hashable, Sendable {
    /// `kid`; empty: none.
    package var id: String
    package var type: TokenKeyType
    /// The only one that it is for; nil: all that its type and size allow.
    package var algorithm: TokenAlgorithm?
    /// SubjectPublicKeyInfo in DER (RFC 5280 §4.1); of type `octets` the secret itself.
    package var material: Secret

    package init(id: String = "", type: TokenKeyType, algorithm: TokenAlgorithm? = nil, material: Secret) {
        self.id = id
        self.type = type
        self.algorithm = algorithm
        self.material = material
    }

    /// A token's algorithm counts only where the key is for it: what a token says of itself decides nothing (RFC 8725 §3.1).
    package func takes(_ wanted: TokenAlgorithm) -> Bool {
        if let algorithm, algorithm != wanted { return false }
        return wanted.keyType == type && (type != .octets || material.bytes.count >= wanted.digestBytes)
    }
}

package enum TokenKeyType: UInt8, Hashable, Sendable, CaseIterable {
    case rsa = 1
    case p256 = 2
    case p384 = 3
    case p521 = 4
    case ed25519 = 5
    /// A secret for HMAC.
    case octets = 6
}

/// Signatures of RFC 7518 §3.1 and RFC 8037.
package enum TokenAlgorithm: UInt8, Hashable, Sendable, CaseIterable {
    case rs256 = 1
    case rs384 = 2
    case rs512 = 3
    case ps256 = 4
    case ps384 = 5
    case ps512 = 6
    case es256 = 7
    case es384 = 8
    case es512 = 9
    case edDSA = 10
    case hs256 = 11
    case hs384 = 12
    case hs512 = 13

    /// As `alg` has it.
    package var name: StaticString {
        switch self {
        case .rs256: "RS256"
        case .rs384: "RS384"
        case .rs512: "RS512"
        case .ps256: "PS256"
        case .ps384: "PS384"
        case .ps512: "PS512"
        case .es256: "ES256"
        case .es384: "ES384"
        case .es512: "ES512"
        case .edDSA: "EdDSA"
        case .hs256: "HS256"
        case .hs384: "HS384"
        case .hs512: "HS512"
        }
    }

    package var keyType: TokenKeyType {
        switch self {
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: .rsa
        case .es256: .p256
        case .es384: .p384
        case .es512: .p521
        case .edDSA: .ed25519
        case .hs256, .hs384, .hs512: .octets
        }
    }

    /// Of the hash that is signed; Ed25519 hashes by itself.
    package var digestBytes: Int {
        switch self {
        case .rs256, .ps256, .es256, .hs256: 32
        case .rs384, .ps384, .es384, .hs384: 48
        case .rs512, .ps512, .es512, .hs512, .edDSA: 64
        }
    }
}

/// A claim of a token, told to the upstream.
package struct ClaimHeader: Hashable, Sendable {
    package var claim: String
    /// Lower case.
    package var header: String

    package init(claim: String, header: String) {
        self.claim = claim
        self.header = header
    }
}
