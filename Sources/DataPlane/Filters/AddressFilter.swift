// Client addresses that may take a route. What a header says of the client counts only where the listener trusts its peer.

internal import ConfigModel

struct AddressFilter {
    private let allow: UnsafeMutableBufferPointer<AddressRange>
    private let deny: UnsafeMutableBufferPointer<AddressRange>

    init(_ access: AddressAccess) {
        allow = .copy(access.allow.compactMap { AddressRange($0) })
        deny = .copy(access.deny.compactMap { AddressRange($0) })
    }

    func lets(in client: PeerAddress) -> Bool {
        if deny.contain(client) { return false }
        return allow.isEmpty || allow.contain(client)
    }

    func deallocate() {
        allow.deallocate()
        deny.deallocate()
    }
}
