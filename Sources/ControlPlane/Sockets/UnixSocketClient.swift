// One request and one answer over a Unix socket, blocking: for commands, and for threads that may wait.

// Whichever of the two the compiler sees first in this module counts as the home of `timeval` and its like.
import CDispatch
import Glibc

/// A connection to a Unix socket of this machine.
struct UnixSocketClient: ~Copyable {
    private let descriptor: CInt
    private let path: String

    /// `nil`: nobody listens there.
    static func connect(to path: String, timeout seconds: Int) throws(StartError) -> UnixSocketClient? {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Self.failure(path, "socket") }
        let client = UnixSocketClient(descriptor: descriptor, path: path)
        var timeout = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &timeout, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw StartError("\(path) is too long for a Unix socket.")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 { return client }
        if errno == ENOENT || errno == ECONNREFUSED { return nil }
        throw Self.failure(path, "connecting")
    }

    private init(descriptor: CInt, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        close(descriptor)
    }

    /// The process at the other end; 0: the kernel does not say.
    var peerProcess: Int32 {
        var credentials = PeerCredentials(pid: 0, uid: 0, gid: 0)
        var length = socklen_t(MemoryLayout<PeerCredentials>.size)
        let result = getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length)
        return result == 0 ? credentials.pid : 0
    }

    func send(_ bytes: [UInt8]) throws(StartError) {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + offset }, bytes.count - offset, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Self.failure(path, "writing") }
            offset += count
        }
    }

    /// Until the other end closes, or `isComplete` says so; more than `limit` bytes are not read, and nothing after `deadline`.
    func receive(
        limit: Int, before deadline: ContinuousClock.Instant? = nil,
        until isComplete: ([UInt8]) -> Bool = { _ in false }
    ) throws(StartError) -> [UInt8] {
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while answer.count <= limit {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count >= 0 else { throw Self.failure(path, "reading") }
            if count == 0 { return answer }
            answer += chunk[..<count]
            if isComplete(answer) { return answer }
            if let deadline, .now > deadline { throw StartError("The answer at \(path) takes too long.") }
        }
        throw StartError("The answer at \(path) is longer than \(limit) bytes.")
    }

    private static func failure(_ path: String, _ doing: String) -> StartError {
        StartError("\(doing) at \(path) failed: \(String(cString: strerror(errno))).")
    }
}
