// Who may take a route: somebody who shows a credential of a consumer. Credentials are looked for where consumers have them
// (bearer token, header, query parameter, basic authentication); the first that belongs to anybody decides. Tokens (JWT) are looked
// at behind keys: one that does not count is told why it does not, unless another credential does.

internal import CNghttp2
internal import COpenSSL
internal import ConfigModel
internal import Glibc
internal import RouteMatching

struct AuthenticationFilter {
    private let table: Unmanaged<ConsumerTable>
    private let takesKeys: Bool
    let takesBasic: Bool
    private let takesTokens: Bool
    private let allowsAll: Bool
    /// Numbers of consumers, in order.
    private let allowed: UnsafeMutableBufferPointer<Int>

    /// A token that counts, and where the request has it.
    struct Token {
        let form: TokenFormPointer
        let text: UnsafeRawBufferPointer
    }

    enum Verdict {
        case allowed(consumer: Int, Token?)
        case forbidden(consumer: Int)
        case refused(ProxyError)
    }

    init(_ authentication: RouteAuthentication, _ consumers: ConsumerTable) {
        table = .passRetained(consumers)
        takesKeys = authentication.kinds.contains(.key)
        takesBasic = authentication.kinds.contains(.basic)
        takesTokens = authentication.kinds.contains(.token)
        allowsAll = authentication.consumers.isEmpty
        allowed = .copy(authentication.consumers.compactMap { consumers.number(of: $0) }.sorted())
    }

    func judge(_ head: RequestHead, _ loop: LoopPointer) -> Verdict {
        table._withUnsafeGuaranteedRef { table in
            // Places are looked at where they are: a copy of one would count references that all loops share.
            for index in table.places.indices where takes(table.places[index].source) {
                guard let owner = owner(at: index, head, table) else { continue }
                return allows(owner) ? .allowed(consumer: owner, nil) : .forbidden(consumer: owner)
            }
            var refusal: ProxyError?
            if takesTokens, !table.tokenPlaces.isEmpty {
                let now = Double(Clock.wallMilliseconds()) / 1_000
                for index in table.tokenPlaces.indices {
                    switch token(at: index, head, table) {
                    case .none: continue
                    case .several: refusal = refusal ?? .tokenMalformed
                    case .one(let text):
                        switch loop.tokens.judge(text, at: index, table, now: now) {
                        case .valid(let form):
                            let consumer = form.pointee.consumer
                            return allows(consumer)
                                ? .allowed(consumer: consumer, Token(form: form, text: text))
                                : .forbidden(consumer: consumer)
                        case .refused(let error): refusal = refusal ?? error
                        }
                    }
                }
            }
            return .refused(refusal ?? (takesBasic ? .unauthenticatedBasic : .unauthenticated))
        }
    }

    /// What a request has in a place.
    private enum Shown {
        case none
        case one(UnsafeRawBufferPointer)
        /// A service could take another of them for the one that was judged.
        case several
    }

    private func token(at index: Int, _ head: RequestHead, _ table: ConsumerTable) -> Shown {
        switch table.tokenPlaces[index].source {
        case .bearer:
            guard let text = credentials(head, scheme: "bearer"), !text.isEmpty else { return .none }
            return head.count(of: "authorization") == 1 ? .one(text) : .several
        case .header:
            guard let text = head.field(named: table.tokenPlaces[index].key), !text.isEmpty else { return .none }
            return head.count(of: table.tokenPlaces[index].key) == 1 ? .one(text) : .several
        case .query:
            let (text, count) = head.queryParameter(table.tokenPlaces[index].key)
            return text.isEmpty ? .none : count == 1 ? .one(text) : .several
        case .basic: return .none
        }
    }

    private func allows(_ consumer: Int) -> Bool {
        if allowsAll { return true }
        var (low, high) = (0, allowed.count)
        while low < high {
            let middle = (low + high) / 2
            if allowed[middle] < consumer { low = middle + 1 } else { high = middle }
        }
        return low < allowed.count && allowed[low] == consumer
    }

    private func takes(_ source: CredentialSource) -> Bool { source.kind == .basic ? takesBasic : takesKeys }

    private func owner(at index: Int, _ head: RequestHead, _ table: ConsumerTable) -> Int? {
        switch table.places[index].source {
        case .header:
            return head.field(named: table.places[index].key).flatMap { table.places[index].owner(of: $0) }
        case .query:
            return head.withQueryParameter(table.places[index].key) { table.places[index].owner(of: $0) } ?? nil
        case .bearer:
            return credentials(head, scheme: "bearer").flatMap { table.places[index].owner(of: $0) }
        case .basic:
            guard let encoded = credentials(head, scheme: "basic") else { return nil }
            return decoded(encoded) { table.places[index].owner(of: $0) }
        }
    }

    /// What stands behind the scheme in `authorization` (RFC 9110 §11.4); the scheme in any letter case.
    private func credentials(_ head: RequestHead, scheme: StaticString) -> UnsafeRawBufferPointer? {
        let length = scheme.utf8CodeUnitCount
        guard let value = head.field(named: "authorization"), value.count > length + 1,
            value[length] == UInt8(ascii: " ")
        else { return nil }
        for i in 0..<length where value[i] | 0x20 != scheme.utf8Start[i] { return nil }
        var start = length + 1
        while start < value.count, value[start] == UInt8(ascii: " ") { start += 1 }
        return UnsafeRawBufferPointer(rebasing: value[start...])
    }

    /// base64 with its padding (RFC 7617 §2).
    private func decoded(_ text: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Int?) -> Int? {
        guard text.count % 4 == 0, text.count <= 8_192, let start = text.baseAddress else { return nil }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: text.count) { buffer in
            guard let into = buffer.baseAddress else { return nil }
            let count = EVP_DecodeBlock(into, start.assumingMemoryBound(to: UInt8.self), Int32(text.count))
            let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
            guard count >= padding else { return nil }
            return body(UnsafeRawBufferPointer(start: into, count: Int(count) - padding))
        }
    }

    func deallocate() {
        allowed.deallocate()
        table.release()
    }
}
