// What a process tells systemd (sd_notify(3), sd_watchdog_enabled(3)), without its library: datagrams of KEY=VALUE lines to the socket in
// NOTIFY_SOCKET.

internal import Glibc

/// Whoever has started the process, where that wants to be told.
package struct ServiceManager: Sendable {
    private let address: SocketAddressBytes?
    /// Nanoseconds within which it wants to hear that the process lives; nil: it does not ask.
    package let watchdog: UInt64?

    package init() {
        address = getenv("NOTIFY_SOCKET").flatMap { SocketAddressBytes(String(cString: $0)) }
        let isOurs = getenv("WATCHDOG_PID").map { Int32(String(cString: $0)) == getpid() } ?? true
        let microseconds = getenv("WATCHDOG_USEC").flatMap { UInt64(String(cString: $0)) } ?? 0
        watchdog = isOurs && microseconds > 0 && microseconds < UInt64.max / 1_000 ? microseconds * 1_000 : nil
    }

    /// Nobody waits for the answer, and nobody minds when there is no service manager.
    package func tell(_ lines: String...) {
        guard let address else { return }
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        let text = Array(lines.joined(separator: "\n").utf8)
        address.withSockaddr { _ = sendto(socket, text, text.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), $0, $1) }
    }
}

/// A Unix socket by path, or by name where it begins with `@`.
private struct SocketAddressBytes: Sendable {
    private var storage = sockaddr_un()
    private let length: socklen_t

    init?(_ name: String) {
        var path = Array(name.utf8)
        guard let first = path.first, path.count > 1, path.count < MemoryLayout.size(ofValue: storage.sun_path),
            first == UInt8(ascii: "/") || first == UInt8(ascii: "@")
        else { return nil }
        if first == UInt8(ascii: "@") { path[0] = 0 }
        storage.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &storage.sun_path) { $0.copyBytes(from: path) }
        length = socklen_t(2 + path.count)
    }

    func withSockaddr(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Void) {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
