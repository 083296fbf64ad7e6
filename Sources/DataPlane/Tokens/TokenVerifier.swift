// Judges tokens of requests (RFC 7519 as JWS in compact form, RFC 8725): which credential one belongs to, whether its signature is of
// one of that credential's keys, whether it counts now and here. One a loop, made with the first token: its memory is used by one
// judgement at a time. Tokens that were found good are remembered for as long as they and the consumers stay what they are.

internal import ConfigModel
internal import Glibc
internal import Seal

/// What came of looking at a token.
enum TokenVerdict {
    case valid(TokenFormPointer)
    case refused(ProxyError)
}

struct TokenVerifier {
    /// The longest token that is looked at, in bytes.
    static let longestToken = 8_192
    /// Keys that a token is tried with which does not name one, or one that several have.
    static let mostTries = 4
    /// Tokens that are remembered, and places for each.
    static let remembered = 1_024
    static let ways = 4

    private let check = SignatureCheck()
    private let space: UnsafeMutablePointer<UInt8> = .allocate(capacity: longestToken * 2)
    private let names: UnsafeMutablePointer<JSONReader.Name> = .allocate(capacity: JSONReader.mostNames)
    private let memory: UnsafeMutablePointer<Remembered>

    /// A token that was found good.
    private struct Remembered {
        var hash = Hash256()
        /// Of the table that its form belongs to; 0: nothing is remembered here.
        var generation: UInt64 = 0
        var place = 0
        var form: TokenFormPointer?
        /// Seconds since 1970, of the issuer's clock.
        var expires: Double = 0
    }

    init() {
        memory = .allocate(capacity: Self.remembered)
        memory.initialize(repeating: Remembered(), count: Self.remembered)
    }

    /// The parts of a token, as text.
    private struct Parts {
        let header: UnsafeRawBufferPointer
        let payload: UnsafeRawBufferPointer
        let signature: UnsafeRawBufferPointer
        /// What is signed: header and payload with the dot between them.
        let signed: UnsafeRawBufferPointer

        init?(_ token: UnsafeRawBufferPointer) {
            guard let first = token.firstIndex(of: 0x2e),
                let second = token[(first + 1)...].firstIndex(of: 0x2e),
                !token[(second + 1)...].contains(0x2e)
            else { return nil }
            header = UnsafeRawBufferPointer(rebasing: token[..<first])
            payload = UnsafeRawBufferPointer(rebasing: token[(first + 1)..<second])
            signature = UnsafeRawBufferPointer(rebasing: token[(second + 1)...])
            signed = UnsafeRawBufferPointer(rebasing: token[..<second])
        }
    }

    private struct Header {
        var algorithm: UnsafeRawBufferPointer?
        var key: UnsafeRawBufferPointer?
        var isCritical = false
    }

    private struct Payload {
        var issuer: UnsafeRawBufferPointer?
        var subject: UnsafeRawBufferPointer?
        var audience: JSONValue?
        var expires: Double?
        var notBefore: Double?
        var issued: Double?
    }

    /// `now`: seconds since 1970.
    func judge(_ token: UnsafeRawBufferPointer, at place: Int, _ table: ConsumerTable, now: Double) -> TokenVerdict {
        guard token.count <= Self.longestToken else { return .refused(.tokenMalformed) }
        let hash = SHA256.hash(token)
        let set = memory + Self.firstSlot(of: hash)
        for way in 0..<Self.ways
        where set[way].generation == table.generation && set[way].place == place && set[way].hash == hash {
            guard let form = set[way].form else { continue }
            return now < set[way].expires + form.pointee.clockSkew ? .valid(form) : .refused(.tokenExpired)
        }
        guard let parts = Parts(token) else { return .refused(.tokenMalformed) }
        // One behind the other: payload, header, signature. They are shorter than their texts.
        guard let payloadCount = Base64URL.decode(parts.payload, into: space),
            let headerCount = Base64URL.decode(parts.header, into: space + payloadCount),
            let signatureCount = Base64URL.decode(parts.signature, into: space + payloadCount + headerCount),
            let header = header(space + payloadCount, headerCount), let payload = payload(space, payloadCount),
            let algorithmName = header.algorithm, let issuer = payload.issuer
        else { return .refused(.tokenMalformed) }
        guard !header.isCritical, let algorithm = Self.algorithm(named: algorithmName) else {
            return .refused(.tokenAlgorithm)
        }
        guard
            let form = table.token(
                at: place, issuer: issuer, subject: payload.subject, scratch: space + Self.longestToken)
        else { return .refused(.tokenIssuerUnknown) }
        let signature = UnsafeRawBufferPointer(start: space + payloadCount + headerCount, count: signatureCount)
        if let problem = refusal(form, algorithm, header.key, parts.signed, signature) { return .refused(problem) }
        if let problem = refusal(form, payload, now) { return .refused(problem) }
        remember(hash, table.generation, place, form, payload.expires ?? 0, set)
        return .valid(form)
    }

    // MARK: - Reading

    /// nil: it is not the header of a token. Keys that it brings or points to (`jwk`, `jku`, `x5c`, `x5u`) are never looked at.
    private func header(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Header? {
        var header = Header()
        let isRead = JSONReader.members(of: UnsafeMutableRawBufferPointer(start: bytes, count: count), names: names) {
            name, value in
            if Self.equal(name, "alg") {
                guard case .string(let text) = value else { return false }
                header.algorithm = text
            } else if Self.equal(name, "kid") {
                guard case .string(let text) = value else { return false }
                header.key = text
            } else if Self.equal(name, "crit") {
                // No extension is understood here (RFC 7515 §4.1.11).
                header.isCritical = true
            }
            return true
        }
        return isRead ? header : nil
    }

    private func payload(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Payload? {
        var payload = Payload()
        let isRead = JSONReader.members(of: UnsafeMutableRawBufferPointer(start: bytes, count: count), names: names) {
            name, value in
            guard name.count == 3 else { return true }
            if Self.equal(name, "iss") {
                guard case .string(let text) = value else { return false }
                payload.issuer = text
            } else if Self.equal(name, "sub") {
                guard case .string(let text) = value else { return false }
                payload.subject = text
            } else if Self.equal(name, "aud") {
                payload.audience = value
            } else if Self.equal(name, "exp") {
                payload.expires = value.seconds
                return payload.expires != nil
            } else if Self.equal(name, "nbf") {
                payload.notBefore = value.seconds
                return payload.notBefore != nil
            } else if Self.equal(name, "iat") {
                payload.issued = value.seconds
                return payload.issued != nil
            }
            return true
        }
        return isRead ? payload : nil
    }

    private static func equal(_ name: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        same(name, UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// `none` is none of them, in whatever letters.
    private static func algorithm(named name: UnsafeRawBufferPointer) -> TokenAlgorithm? {
        for raw in UInt8(1)...13 {
            if let algorithm = TokenAlgorithm(rawValue: raw), equal(name, algorithm.name) { return algorithm }
        }
        return nil
    }

    // MARK: - Judging

    /// nil: one of the credential's keys has signed it.
    private func refusal(
        _ form: TokenFormPointer, _ algorithm: TokenAlgorithm, _ id: UnsafeRawBufferPointer?,
        _ text: UnsafeRawBufferPointer, _ signature: UnsafeRawBufferPointer
    ) -> ProxyError? {
        let bit = UInt16(1) << algorithm.rawValue
        var tries = 0
        // Keys of the name that the token tells, else those without one; where it tells none, all.
        for takesUnnamed in [false, true] {
            for index in form.pointee.keys.indices where form.pointee.keys[index].algorithms & bit != 0 {
                let own = form.pointee.keys[index].id.bytes
                if let id {
                    guard takesUnnamed ? own.isEmpty : same(own, id) else { continue }
                } else if takesUnnamed {
                    continue
                }
                guard tries < Self.mostTries else { break }
                tries += 1
                if check.accepts(text, signature, algorithm, form.pointee.keys[index]) { return nil }
            }
            if tries > 0 { break }
        }
        if tries > 0 { return .tokenSignature }
        for key in form.pointee.keys where key.algorithms & bit != 0 { return .tokenKeyUnknown }
        return .tokenAlgorithm
    }

    /// nil: it counts now, and here.
    private func refusal(_ form: TokenFormPointer, _ payload: Payload, _ now: Double) -> ProxyError? {
        let skew = form.pointee.clockSkew
        guard let expires = payload.expires else { return .tokenMalformed }
        if now >= expires + skew { return .tokenExpired }
        if let begin = payload.notBefore, now < begin - skew { return .tokenNotYetValid }
        if let issued = payload.issued, now < issued - skew { return .tokenNotYetValid }
        guard form.pointee.audiences.count > 0 else { return nil }
        switch payload.audience {
        case .string(let audience): return form.pointee.takes(audience: audience) ? nil : .tokenAudience
        case .list(let list):
            var isOurs = false
            let isRead = JSONReader.strings(of: list) {
                if form.pointee.takes(audience: $0) { isOurs = true }
                return true
            }
            if !isRead { return .tokenMalformed }
            return isOurs ? nil : .tokenAudience
        default: return .tokenAudience
        }
    }

    // MARK: - Remembering

    private static func firstSlot(of hash: Hash256) -> Int {
        hash.withUnsafeBytes { Int(truncatingIfNeeded: $0.loadUnaligned(as: UInt64.self)) } & (remembered - 1)
            & ~(ways - 1)
    }

    /// In the place of one of a table that is not served any more, else of the one that ends first.
    private func remember(
        _ hash: Hash256, _ generation: UInt64, _ place: Int, _ form: TokenFormPointer, _ expires: Double,
        _ set: UnsafeMutablePointer<Remembered>
    ) {
        var oldest = 0
        for way in 0..<Self.ways {
            if set[way].generation != generation {
                oldest = way
                break
            }
            if set[way].expires < set[oldest].expires { oldest = way }
        }
        set[oldest] = Remembered(hash: hash, generation: generation, place: place, form: form, expires: expires)
    }

    // MARK: - Claims

    /// Gives the claims of a token that was found good to `body`, as values of their headers. Those that are no text, number or
    /// truth, or cannot stand in a header, are left out.
    func claims(
        of token: UnsafeRawBufferPointer, _ form: TokenFormPointer, _ body: (FixedText, UnsafeRawBufferPointer) -> Void
    ) {
        guard let parts = Parts(token), let count = Base64URL.decode(parts.payload, into: space) else { return }
        _ = JSONReader.members(of: UnsafeMutableRawBufferPointer(start: space, count: count), names: names) {
            name, value in
            for claim in form.pointee.claims where same(claim.name.bytes, name) {
                switch value {
                case .string(let text), .number(let text):
                    if Self.fitsHeader(text) { body(claim.header, text) }
                case .bool(let isTrue):
                    let text: StaticString = isTrue ? "true" : "false"
                    body(claim.header, UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
                default: break
                }
            }
            return true
        }
    }

    /// The longest claim that is told, in bytes.
    static let longestClaim = 1_024

    /// No control characters, no blanks at its ends (RFC 9110 §5.5), and not more than a header should have.
    private static func fitsHeader(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count <= longestClaim, text.first != 0x20, text.last != 0x20 else { return false }
        return text.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
    }
}
