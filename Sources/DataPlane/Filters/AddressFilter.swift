// Client addresses that may take a route. What counts is the peer of the connection, not what a header says.

internal import ConfigModel

struct AddressFilter {
    private let allow: UnsafeMutableBufferPointer<AddressRange>
    private let deny: UnsafeMutableBufferPointer<AddressRange>

    init(_ access: AddressAccess) {
        allow = .copy(access.allow.compactMap { AddressRange($0) })
        deny = .copy(access.deny.compactMap { AddressRange($0) })
    }

    func lets(in peer: PeerAddress) -> Bool {
        let high = UInt64(bigEndian: peer.address.0)
        let low = UInt64(bigEndian: peer.address.1)
        for range in deny where range.contains(high, low) { return false }
        if allow.isEmpty { return true }
        for range in allow where range.contains(high, low) { return true }
        return false
    }

    func deallocate() {
        allow.deallocate()
        deny.deallocate()
    }
}
