// Sessions kept by a cookie of ours: requests of a client reach the same endpoint while that is usable. Only routes that ask for it
// have one of these; the others pay the look at their filters that they pay anyway.

internal import CNghttp2
internal import COpenSSL
internal import ConfigModel
internal import Glibc

struct AffinityFilter {
    let name: FixedText
    /// What stands behind the value, but for the point in time.
    let attributes: FixedText
    /// Seconds from now.
    let expires: UInt32?
    let isPersistent: Bool
    let coversDestinations: Bool

    init(_ affinity: CookieAffinity) {
        name = FixedText(affinity.name)
        let age = affinity.maxAge.map { "; Max-Age=\($0)" } ?? ""
        attributes = FixedText("; Path=\(affinity.path)\(age); HttpOnly")
        expires = affinity.expires
        isPersistent = affinity.isPersistent
        coversDestinations = affinity.coversDestinations
    }

    func deallocate() {
        name.deallocate()
        attributes.deallocate()
    }
}

/// What a cookie calls an endpoint: a hash of its cluster and address, so that each gateway of the same configuration knows it, and
/// nobody reads the address out of it.
struct EndpointIdentity: Equatable {
    let high: UInt64
    let low: UInt64

    fileprivate static let digits = 32

    init(cluster: UnsafeRawBufferPointer, address: UnsafeRawBufferPointer) {
        var text = Array(cluster)
        text.append(0)
        text.append(contentsOf: address)
        let digest = [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            SHA256(text, text.count, buffer.baseAddress)
            count = 32
        }
        func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        high = number(digest[0..<8])
        low = number(digest[8..<16])
    }

    /// `nil`: it is none of ours.
    fileprivate init?(cookie: UnsafeRawBufferPointer) {
        guard cookie.count == Self.digits else { return nil }
        var numbers: (UInt64, UInt64) = (0, 0)
        for (index, byte) in cookie.enumerated() {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            default: return nil
            }
            if index < 16 {
                numbers.0 = numbers.0 << 4 | UInt64(digit)
            } else {
                numbers.1 = numbers.1 << 4 | UInt64(digit)
            }
        }
        (high, low) = numbers
    }
}

extension EndpointPointer {
    var identity: EndpointIdentity {
        if let known = pointee.identity { return known }
        let made = EndpointIdentity(
            cluster: pointee.cluster.pointee.nameBytes, address: pointee.addressBytes)
        pointee.identity = made
        return made
    }
}

extension ExchangePointer {
    /// The endpoint of the client's session; nil: none yet, or it is not usable, and any will do.
    func sessionEndpoint(_ affinity: AffinityFilter) -> EndpointPointer? {
        guard !affinity.isPersistent else { return namedEndpoint(affinity) }
        let key = sessionKey(affinity)
        // Another hash than that of the endpoint: what a destination gets must not depend on what its endpoints get.
        guard
            let cluster = affinity.coversDestinations
                ? pickCluster({ mixed(key &+ 0x9e37_79b9_7f4a_7c15) }) : pickCluster()
        else { return nil }
        return cluster.pick(self, session: key)
    }

    /// A request keeps the session that it began with over all of its tries.
    private func sessionKey(_ affinity: AffinityFilter) -> UInt64 {
        if let value = cookie(affinity.name.bytes), !value.isEmpty { return stableHash(value) }
        while pointee.newSession == 0 { pointee.newSession = loop.nextRandom() }
        var digits = loop.hexadecimal(pointee.newSession)
        return withUnsafeBytes(of: &digits) { stableHash($0) }
    }

    private func namedEndpoint(_ affinity: AffinityFilter) -> EndpointPointer? {
        guard let route = pointee.route, let value = cookie(affinity.name.bytes),
            let identity = EndpointIdentity(cookie: value)
        else { return nil }
        if !affinity.coversDestinations { return pickCluster()?.endpoint(identity, for: self) }
        for index in 0..<route.pointee.destinationCount {
            let destination = route.pointee.destinations[index]
            // A canary that gets nothing any more keeps nobody.
            guard destination.weight > 0 || route.pointee.totalWeight == 0 else { continue }
            if let endpoint = destination.cluster.endpoint(identity, for: self) { return endpoint }
        }
        return nil
    }

    /// Puts the cookie behind the response's fields where the client has none that is right.
    func addSessionCookie(_ affinity: AffinityFilter) {
        guard !pointee.isGRPC, let endpoint = pointee.endpoint ?? pointee.lastEndpoint,
            endpoint.pointee.cluster != pointee.route?.pointee.fallback
        else { return }
        if affinity.isPersistent {
            if let value = cookie(affinity.name.bytes), EndpointIdentity(cookie: value) == endpoint.identity { return }
        } else if pointee.newSession == 0 {
            return
        }
        loop.pointee.cookies.removeAll()
        loop.pointee.cookies.append(affinity.name.bytes)
        loop.pointee.cookies.append(UInt8(ascii: "="))
        if affinity.isPersistent {
            loop.appendCookie(endpoint.identity.high)
            loop.appendCookie(endpoint.identity.low)
        } else {
            loop.appendCookie(pointee.newSession)
        }
        loop.pointee.cookies.append(affinity.attributes.bytes)
        if let expires = affinity.expires { loop.appendExpiry(expires) }
        if pointee.clientIsSecure { loop.pointee.cookies.append("; Secure") }
        var field = constant("set-cookie", "")
        field.value = loop.pointee.cookies.start
        field.valuelen = loop.pointee.cookies.count
        loop.pointee.fields[loop.pointee.fieldCount] = field
        loop.pointee.fieldCount &+= 1
    }
}

extension LoopPointer {
    fileprivate typealias Digits = (UInt64, UInt64)

    /// Sixteen digits, as they stand in a cookie.
    fileprivate func hexadecimal(_ value: UInt64) -> Digits {
        var digits: Digits = (0, 0)
        withUnsafeMutableBytes(of: &digits) { bytes in
            for index in 0..<16 {
                let digit = UInt8(truncatingIfNeeded: value >> UInt64(60 - 4 * index)) & 0xf
                bytes[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            }
        }
        return digits
    }

    fileprivate func appendCookie(_ value: UInt64) {
        var digits = hexadecimal(value)
        withUnsafeBytes(of: &digits) { pointee.cookies.append($0) }
    }

    /// RFC 9110 §5.6.7. Day and month are English in the C locale, which is the worker's.
    fileprivate func appendExpiry(_ seconds: UInt32) {
        var time = time(nil) + Int(seconds)
        var parts = tm()
        guard gmtime_r(&time, &parts) != nil else { return }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { buffer in
            guard let start = buffer.baseAddress else { return }
            let count = strftime(start, 40, "; Expires=%a, %d %b %Y %H:%M:%S GMT", &parts)
            pointee.cookies.append(UnsafeRawBufferPointer(start: start, count: count))
        }
    }
}
