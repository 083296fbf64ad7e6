// What stands before the first byte of a connection that a proxy passes on (the PROXY protocol, versions 1 and 2): for whom it is.
// Strict: a header that is nearly one is none.

internal import Glibc

/// The header at the beginning of some bytes.
package enum ProxyHeader: Equatable {
    /// More bytes are needed.
    case incomplete
    case invalid
    /// Its length, and the client; nil: the proxy speaks for itself, or does not say.
    case header(length: Int, client: PeerAddress?)

    /// The longest line of version 1, its end included.
    private static let longestLine = 107
    /// The most behind the first 16 bytes of version 2: addresses, and what more is said of the connection, which is passed over.
    package static let longestRest = 4_096
    static let longest = 16 + longestRest

    private static let line: StaticString = "PROXY "
    private static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

    package init(_ bytes: UnsafeRawBufferPointer) {
        self = bytes.first == Self.signature[0] ? Self.binary(bytes) : Self.text(bytes)
    }

    // MARK: - Version 1

    private static func text(_ bytes: UnsafeRawBufferPointer) -> ProxyHeader {
        let compared = min(bytes.count, line.utf8CodeUnitCount)
        guard let start = bytes.baseAddress, memcmp(start, line.utf8Start, compared) == 0 else {
            return bytes.isEmpty ? .incomplete : .invalid
        }
        let visible = UnsafeRawBufferPointer(rebasing: bytes.prefix(longestLine))
        guard let feed = visible.firstIndex(of: 0x0a) else {
            return bytes.count < longestLine ? .incomplete : .invalid
        }
        guard feed > line.utf8CodeUnitCount, visible[feed - 1] == 0x0d else { return .invalid }
        let rest = visible[line.utf8CodeUnitCount..<feed - 1]
        let parts = rest.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        let length = feed + 1
        switch parts.first.map({ String(decoding: $0, as: UTF8.self) }) {
        // Whatever stands behind it counts for nothing.
        case "UNKNOWN": return .header(length: length, client: nil)
        case "TCP4" where parts.count == 5: return text(parts, AF_INET, length)
        case "TCP6" where parts.count == 5: return text(parts, AF_INET6, length)
        default: return .invalid
        }
    }

    private static func text(
        _ parts: [Slice<UnsafeRawBufferPointer>], _ family: Int32, _ length: Int
    ) -> ProxyHeader {
        guard var client = PeerAddress(text: UnsafeRawBufferPointer(rebasing: parts[1]), family),
            PeerAddress(text: UnsafeRawBufferPointer(rebasing: parts[2]), family) != nil,
            let port = port(parts[3]), port != nil, Self.port(parts[4]) != nil
        else { return .invalid }
        client.port = port ?? 0
        return .header(length: length, client: client)
    }

    /// Digits without a leading zero.
    private static func port(_ text: Slice<UnsafeRawBufferPointer>) -> UInt16?? {
        guard (1...5).contains(text.count), text.count == 1 || text.first != UInt8(ascii: "0") else { return nil }
        var value = 0
        for byte in text {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return UInt16(exactly: value).map { $0 }
    }

    // MARK: - Version 2

    private static func binary(_ bytes: UnsafeRawBufferPointer) -> ProxyHeader {
        guard bytes.prefix(signature.count).elementsEqual(signature.prefix(bytes.count)) else { return .invalid }
        guard bytes.count >= 16 else { return .incomplete }
        let rest = Int(bytes[14]) << 8 | Int(bytes[15])
        guard bytes[12] >> 4 == 2, rest <= longestRest else { return .invalid }
        let command = bytes[12] & 0x0f
        guard command <= 1 else { return .invalid }
        let length = 16 + rest
        guard bytes.count >= length else { return .incomplete }
        // LOCAL: a check of the proxy's own. Families other than IPv4 and IPv6 over a stream say nothing that counts here.
        guard command == 1 else { return .header(length: length, client: nil) }
        switch bytes[13] {
        case 0x11:
            guard rest >= 12 else { return .invalid }
            var storage = sockaddr_in()
            storage.sin_family = sa_family_t(AF_INET)
            storage.sin_addr.s_addr = bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self)
            storage.sin_port = bytes.loadUnaligned(fromByteOffset: 24, as: UInt16.self)
            return .header(length: length, client: PeerAddress(storage))
        case 0x21:
            guard rest >= 36 else { return .invalid }
            var client = PeerAddress()
            client.address = bytes.loadUnaligned(fromByteOffset: 16, as: (UInt64, UInt64).self)
            client.port = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 48, as: UInt16.self))
            return .header(length: length, client: client)
        case 0x00, 0x12, 0x22, 0x31, 0x32: return .header(length: length, client: nil)
        default: return .invalid
        }
    }
}

extension PeerAddress: Equatable {
    package static func == (a: PeerAddress, b: PeerAddress) -> Bool { a.address == b.address && a.port == b.port }

    init(_ inet: sockaddr_in) {
        port = UInt16(bigEndian: inet.sin_port)
        // Bytes 8…11 are 0, 0, 0xff, 0xff and 12…15 the address, in network order.
        address = (0, (UInt64(0xffff) << 32 | UInt64(UInt32(bigEndian: inet.sin_addr.s_addr))).bigEndian)
    }

    /// An address in text, without port and brackets; nil: it is none of that family.
    init?(text: UnsafeRawBufferPointer, _ family: Int32) {
        guard (2..<46).contains(text.count) else { return nil }
        let parsed: PeerAddress? = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 46) { buffer in
            let name = buffer.baseAddress.unsafelyUnwrapped
            memcpy(name, text.baseAddress.unsafelyUnwrapped, text.count)
            name[text.count] = 0
            guard strlen(name) == text.count else { return nil }
            if family == AF_INET {
                var inet = sockaddr_in()
                guard inet_pton(AF_INET, name, &inet.sin_addr) == 1 else { return nil }
                return PeerAddress(inet)
            }
            var sixteen = in6_addr()
            guard inet_pton(AF_INET6, name, &sixteen) == 1 else { return nil }
            var peer = PeerAddress()
            peer.address = withUnsafeBytes(of: sixteen) { $0.loadUnaligned(as: (UInt64, UInt64).self) }
            return peer
        }
        guard let parsed else { return nil }
        self = parsed
    }
}

extension LoopPointer {
    /// Looks for the header before anything else is read. False: it is not whole yet, or the connection is closed.
    func takeProxyHeader(_ connection: ConnectionPointer) -> Bool {
        let fd = connection.pointee.fd
        // It stays with the kernel until it is whole: the protocol behind it, TLS or not, begins with its own first byte.
        let count = recv(fd, pointee.cipherBuffer, ProxyHeader.longest, Int32(MSG_PEEK))
        if count < 0 {
            if errno != EAGAIN, errno != EINTR { close(connection, because: .transport) }
            return false
        }
        switch ProxyHeader(UnsafeRawBufferPointer(start: pointee.cipherBuffer, count: count)) {
        case .incomplete:
            if count == 0 || connection.pointee.sawHangup { close(connection, because: .ended) }
            return false
        case .invalid:
            connection.pointee.listener?.pointee.counters.proxyFailures.increment()
            // What it sent is unread: the peer sees a reset.
            close(connection, because: .transport)
            return false
        case .header(let length, let client):
            guard recv(fd, pointee.cipherBuffer, length, 0) == length else {
                close(connection, because: .transport)
                return false
            }
            connection.pointee.awaitsProxyHeader = false
            if let client { connection.pointee.peer = client }
            return true
        }
    }
}
