// For whom a request is: the peer of its connection, or, where that is a proxy whose word counts, whom it says in X-Forwarded-For
// and X-Forwarded-Proto. Filters, limits, balancing by address and upstreams go by it.

internal import CNghttp2
internal import Glibc

extension ExchangePointer {
    /// Proxies that are looked behind.
    private static let mostHops = 32

    /// Notes the client of the head in the loop's list.
    @inline(__always)
    func noteClient(_ connection: ConnectionPointer) {
        pointee.client = connection.pointee.peer
        pointee.clientIsSecure = pointee.isSecure
        guard let trust = connection.pointee.listener?.pointee.trust else { return }
        trust._withUnsafeGuaranteedRef { trust in
            guard !trust.forwarders.isEmpty, trust.forwarders.contain(connection.pointee.peer) else { return }
            noteForwarded(trust)
        }
    }

    private func noteForwarded(_ trust: ListenerTrust) {
        pointee.trustsForwarded = true
        let fields = loop.pointee.fields
        var index = loop.pointee.fieldCount - 1
        var hops = 0
        var isKnown = false
        while index >= FieldSlot.regular {
            let field = fields[index]
            index -= 1
            if field.namelen == 17, memcmp(field.name, "x-forwarded-proto", 17) == 0 {
                pointee.clientIsSecure = equals(field, "https")
            }
            guard !isKnown, field.namelen == 15, memcmp(field.name, "x-forwarded-for", 15) == 0 else { continue }
            // From the nearest proxy on: the first that is none of ours is the client, whatever it claims in turn.
            var list = UnsafeRawBufferPointer(start: field.value, count: field.valuelen)
            while !isKnown, let entry = lastEntry(of: &list) {
                hops += 1
                guard hops <= Self.mostHops, let address = PeerAddress(forwarded: entry) else {
                    isKnown = true
                    break
                }
                pointee.client = address
                isKnown = !trust.forwarders.contain(address)
            }
        }
    }

    /// Takes the last entry off a list; nil: there is none.
    private func lastEntry(of list: inout UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard !list.isEmpty else { return nil }
        var start = list.count
        while start > 0, list[start - 1] != UInt8(ascii: ",") { start -= 1 }
        var entry = list[start...]
        list = UnsafeRawBufferPointer(rebasing: list[..<max(0, start - 1)])
        while let byte = entry.first, byte == 0x20 || byte == 0x09 { entry = entry.dropFirst() }
        while let byte = entry.last, byte == 0x20 || byte == 0x09 { entry = entry.dropLast() }
        return UnsafeRawBufferPointer(rebasing: entry)
    }

    /// `x-forwarded-for` towards the upstream: what a proxy of ours says, and behind it the peer of the connection.
    func forwardedFor(_ connection: ConnectionPointer, _ came: Int) -> nghttp2_nv {
        let own = connection.forwardedFor()
        guard pointee.trustsForwarded, came > FieldSlot.regular else { return own }
        let fields = loop.pointee.fields
        loop.pointee.forwarded.removeAll()
        for index in FieldSlot.regular..<came {
            let field = fields[index]
            guard field.namelen == 15, memcmp(field.name, "x-forwarded-for", 15) == 0, field.valuelen > 0 else {
                continue
            }
            loop.pointee.forwarded.append(UnsafeRawBufferPointer(start: field.value, count: field.valuelen))
            loop.pointee.forwarded.append(", ")
        }
        guard !loop.pointee.forwarded.isEmpty else { return own }
        loop.pointee.forwarded.append(UnsafeRawBufferPointer(start: own.value, count: own.valuelen))
        var field = own
        field.value = loop.pointee.forwarded.start
        field.valuelen = loop.pointee.forwarded.count
        return field
    }
}

extension PeerAddress {
    /// An entry of X-Forwarded-For: an address, perhaps with a port or in brackets. nil: a name or nothing that can be read.
    package init?(forwarded entry: UnsafeRawBufferPointer) {
        var text = entry
        let colons = text.reduce(0) { $0 + ($1 == UInt8(ascii: ":") ? 1 : 0) }
        if text.first == UInt8(ascii: "[") {
            guard let end = text.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            text = UnsafeRawBufferPointer(rebasing: text[1..<end])
        } else if colons == 1, let colon = text.firstIndex(of: UInt8(ascii: ":")) {
            text = UnsafeRawBufferPointer(rebasing: text[..<colon])
        }
        self.init(text: text, text.contains(UInt8(ascii: ":")) ? AF_INET6 : AF_INET)
    }
}
