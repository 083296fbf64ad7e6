// A worker's end of the socket, with plain calls on a thread of its own so that no test task is blocked.

import ConfigChannel
import Dispatch
import Glibc

struct ChannelClientError: Error {
    let what: String
    let code: CInt
}

/// Connects, sends bytes or messages, receives messages. Every wait ends after ten seconds.
final class ChannelClient: @unchecked Sendable {
    // Touched on `queue` only, but for the descriptor, which never changes.
    private let descriptor: CInt
    private let queue = DispatchQueue(label: "channel client")
    private var decoder = FrameDecoder()

    init(path: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8).prefix(107)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // `deinit` closes the descriptor, also of an object that is not finished.
        guard result == 0 else { throw ChannelClientError(what: "connect", code: errno) }
    }

    deinit {
        close(descriptor)
    }

    func send(_ message: Message) async throws {
        try await send(bytes: encode(message))
    }

    func send(bytes: [UInt8]) async throws {
        try await onQueue { [self] in
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL))
                }
                guard count > 0 else { throw ChannelClientError(what: "send", code: errno) }
                sent += count
            }
        }
    }

    /// The next message; `nil`: the other side has closed.
    func receive() async throws -> Message? {
        try await onQueue { [self] in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                if let message = try decoder.next() { return message }
                let count = recv(descriptor, &buffer, buffer.count, 0)
                // A socket that is closed with unread bytes ends in ECONNRESET.
                if count == 0 || count < 0 && errno == ECONNRESET { return nil }
                guard count > 0 else { throw ChannelClientError(what: "receive", code: errno) }
                decoder.append(buffer[..<count])
            }
        }
    }

    private func onQueue<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await withCheckedThrowingContinuation { done in
            queue.async { done.resume(with: Result { try body() }) }
        }
    }
}

/// A folder that goes with the test.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/causeway-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw ChannelClientError(what: "mkdtemp", code: errno) }
        path = String(cString: made)
    }

    deinit {
        for name in ["channel.sock", "file"] { unlink("\(path)/\(name)") }
        rmdir(path)
    }
}
