// Cross-origin requests (Fetch standard, "CORS protocol"): which origins a route answers, and the fields that say so. What an
// upstream says of these things is dropped: two voices would contradict each other.

internal import CNghttp2
internal import ConfigModel
internal import Glibc

struct CORSFilter {
    /// Origins as they are sent, in lower case; `*.` behind the scheme stands for one or more labels.
    private let origins: UnsafeMutableBufferPointer<FixedText>
    private let allowsAll: Bool
    private let credentials: Bool
    private let methods: FixedText
    private let headers: FixedText
    private let exposed: FixedText
    private let maxAge: FixedText

    init(_ policy: CORSPolicy) {
        allowsAll = policy.origins.contains("*")
        origins = .copy(policy.origins.filter { $0 != "*" }.map { FixedText($0) })
        credentials = policy.credentials
        methods = FixedText(policy.methods.joined(separator: ", "))
        headers = FixedText(policy.headers.joined(separator: ", "))
        exposed = FixedText(policy.exposed.joined(separator: ", "))
        maxAge = FixedText(policy.maxAge.map { "\($0)" } ?? "")
    }

    func allows(_ origin: UnsafeRawBufferPointer) -> Bool {
        if allowsAll { return true }
        for pattern in origins where matches(pattern.bytes, origin) { return true }
        return false
    }

    /// Hosts compare without regard to case, and browsers send them in lower case.
    private func matches(_ pattern: UnsafeRawBufferPointer, _ origin: UnsafeRawBufferPointer) -> Bool {
        guard let star = pattern.firstIndex(of: UInt8(ascii: "*")) else { return equal(pattern, origin) }
        let tail = UnsafeRawBufferPointer(rebasing: pattern[(star + 1)...])
        guard origin.count > star + tail.count else { return false }
        return equal(
            UnsafeRawBufferPointer(rebasing: pattern[..<star]), UnsafeRawBufferPointer(rebasing: origin[..<star]))
            && equal(tail, UnsafeRawBufferPointer(rebasing: origin[(origin.count - tail.count)...]))
            // The star is part of a host: not a way to another scheme, port or path.
            && !origin[star..<(origin.count - tail.count)].contains {
                $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ":")
            }
    }

    private func equal(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        guard a.count == b.count else { return false }
        for i in 0..<a.count where a[i] != (b[i] >= 0x41 && b[i] <= 0x5a ? b[i] | 0x20 : b[i]) { return false }
        return true
    }

    /// The fields of a response to a request from an allowed origin, given to `add` one by one (at most four).
    func response(to origin: nghttp2_nv, _ add: (nghttp2_nv) -> Void) {
        addOrigin(origin, add)
        if !exposed.bytes.isEmpty { add(exposed.field("access-control-expose-headers")) }
    }

    /// The fields of the answer to a preflight (at most seven). Where the policy names no methods or headers, those that were
    /// asked for are allowed.
    func preflight(
        origin: nghttp2_nv, method: nghttp2_nv, headers asked: nghttp2_nv?, _ add: (nghttp2_nv) -> Void
    ) {
        addOrigin(origin, add)
        add(
            methods.bytes.isEmpty
                ? named("access-control-allow-methods", method) : methods.field("access-control-allow-methods"))
        if !headers.bytes.isEmpty {
            add(headers.field("access-control-allow-headers"))
        } else if let asked {
            add(named("access-control-allow-headers", asked))
        }
        if !maxAge.bytes.isEmpty { add(maxAge.field("access-control-max-age")) }
    }

    private func addOrigin(_ origin: nghttp2_nv, _ add: (nghttp2_nv) -> Void) {
        if allowsAll, !credentials {
            add(constant("access-control-allow-origin", "*"))
        } else {
            // A star does not go with credentials, and caches must tell the answers apart.
            add(named("access-control-allow-origin", origin))
            add(constant("vary", "Origin"))
        }
        if credentials { add(constant("access-control-allow-credentials", "true")) }
    }

    private func named(_ name: StaticString, _ value: nghttp2_nv) -> nghttp2_nv {
        var field = constant(name, "")
        field.value = value.value
        field.valuelen = value.valuelen
        return field
    }

    func deallocate() {
        for origin in origins { origin.deallocate() }
        origins.deallocate()
        for text in [methods, headers, exposed, maxAge] { text.deallocate() }
    }
}
