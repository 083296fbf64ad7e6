// An address that connect(2) and bind(2) take: IPv4, IPv6 or a Unix socket.

internal import COpenSSL
internal import Glibc

package struct SocketAddress: Sendable, Equatable {
    private(set) var storage = sockaddr_storage()
    private(set) var length: socklen_t = 0

    /// The kernel's form of the address, for as long as `body` runs.
    func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    var family: Int32 { Int32(storage.ss_family) }

    /// An IPv4 or IPv6 address in text, or `unix:/path`. nil: a host name (to be resolved), or a path that is too long.
    package init?(literal host: String, port: UInt16) {
        if host.hasPrefix("unix:") {
            let path = Array(host.dropFirst(5).utf8)
            var address = sockaddr_un()
            guard !path.isEmpty, path.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
            store(address)
            return
        }
        var inet = in_addr()
        if inet_pton(AF_INET, host, &inet) == 1 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr = inet
            store(address)
            return
        }
        var inet6 = in6_addr()
        if inet_pton(AF_INET6, host, &inet6) == 1 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_addr = inet6
            store(address)
            return
        }
        return nil
    }

    /// Copies an address of the system's resolver.
    init(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) {
        self.length = length
        withUnsafeMutableBytes(of: &storage) { target in
            target.copyMemory(
                from: UnsafeRawBufferPointer(start: address, count: min(Int(length), target.count)))
        }
    }

    /// 0: a Unix socket.
    var port: UInt16 { family == AF_UNIX ? 0 : PeerAddress(storage).port }

    /// Both families keep the port in the same place, behind the family.
    mutating func set(port: UInt16) {
        withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self) }
    }

    private mutating func store<T>(_ address: T) {
        length = socklen_t(MemoryLayout<T>.size)
        withUnsafeMutableBytes(of: &storage) { target in
            withUnsafeBytes(of: address) { target.copyMemory(from: $0) }
        }
    }

    /// `address:port` as logs show it.
    package var text: String {
        if family == AF_UNIX {
            return withUnsafeBytes(of: storage) { raw in
                "unix:" + String(decoding: raw.dropFirst(2).prefix { $0 != 0 }, as: UTF8.self)
            }
        }
        let peer = PeerAddress(storage)
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 48) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            let host = String(decoding: UnsafeBufferPointer(start: base, count: peer.write(to: base)), as: UTF8.self)
            return family == AF_INET6 ? "[\(host)]:\(peer.port)" : "\(host):\(peer.port)"
        }
    }

    package static func == (a: SocketAddress, b: SocketAddress) -> Bool {
        guard a.length == b.length else { return false }
        return withUnsafeBytes(of: a.storage) { x in
            withUnsafeBytes(of: b.storage) { y in x.prefix(Int(a.length)).elementsEqual(y.prefix(Int(b.length))) }
        }
    }
}
