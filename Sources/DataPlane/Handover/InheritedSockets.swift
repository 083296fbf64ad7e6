// Listening sockets that this worker did not open: from the worker before it, or from systemd. A listener takes those that are
// bound to its address. None is left out of those that it takes: in the queue of each clients may wait.

internal import COpenSSL
internal import Glibc

package struct InheritedSockets: Sendable {
    package struct Entry: Sendable {
        /// Of the listener; empty: known by its address only.
        package let name: String
        package let address: SocketAddress
        package let descriptor: Int32

        package init(name: String, address: SocketAddress, descriptor: Int32) {
            self.name = name
            self.address = address
            self.descriptor = descriptor
        }
    }

    package private(set) var entries: [Entry] = []

    package init() {}

    /// Adds a socket; false: it does not listen.
    mutating func add(_ descriptor: Int32, name: String) -> Bool {
        guard causeway_is_listening(descriptor) != 0, let address = SocketAddress(of: descriptor),
            fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0
        else { return false }
        add(Entry(name: name, address: address, descriptor: descriptor))
        return true
    }

    package mutating func add(_ entry: Entry) { entries.append(entry) }

    /// Takes the sockets of an address out. Port 0 means any: then the name tells.
    package mutating func take(_ address: SocketAddress, name: String) -> [Entry] {
        take { entry in
            guard address.port == 0 else { return entry.address == address }
            return entry.name == name && entry.address.with(port: 0) == address
        }
    }

    /// Takes those of a listener out, wherever they are bound: its last good form.
    package mutating func take(named name: String) -> [Entry] {
        take { !name.isEmpty && $0.name == name }
    }

    package mutating func takeAll() -> [Entry] { take { _ in true } }

    private mutating func take(where matches: (Entry) -> Bool) -> [Entry] {
        let taken = entries.filter(matches)
        entries.removeAll(where: matches)
        return taken
    }

    /// Which of `count` sockets each loop accepts on: with fewer loops a loop takes several, with more they share.
    package static func spread(_ count: Int, over loops: Int) -> [[Int]] {
        guard count > 0 else { return Array(repeating: [], count: loops) }
        return (0..<loops).map { loop in
            loop < count ? Array(stride(from: loop, to: count, by: loops)) : [loop % count]
        }
    }
}

extension SocketAddress {
    /// What a socket is bound to; nil: neither IPv4 nor IPv6.
    init?(of descriptor: Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let read = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard read == 0, Int32(storage.ss_family) == AF_INET || Int32(storage.ss_family) == AF_INET6 else { return nil }
        self = withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { SocketAddress($0, length) }
        }
    }
}
