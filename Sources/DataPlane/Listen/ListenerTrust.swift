// Whom a listener believes what they say of others: who begins connections with a PROXY protocol header, and whose `X-Forwarded-*`
// count. Parsed once, off the loops, and shared by them.

internal import ConfigModel

/// The ranges of a listener. `@unchecked Sendable`: the memory is written before anybody else has it, and never again.
final class ListenerTrust: @unchecked Sendable {
    let proxies: UnsafeMutableBufferPointer<AddressRange>
    let forwarders: UnsafeMutableBufferPointer<AddressRange>

    init(_ listener: Listener) {
        proxies = .copy(listener.proxyProtocol.compactMap { AddressRange($0) })
        forwarders = .copy(listener.forwardedHeaders.compactMap { AddressRange($0) })
    }

    deinit {
        proxies.deallocate()
        forwarders.deallocate()
    }
}

extension UnsafeMutableBufferPointer<AddressRange> {
    func contain(_ peer: PeerAddress) -> Bool {
        let high = UInt64(bigEndian: peer.address.0)
        let low = UInt64(bigEndian: peer.address.1)
        for range in self where range.contains(high, low) { return true }
        return false
    }
}
