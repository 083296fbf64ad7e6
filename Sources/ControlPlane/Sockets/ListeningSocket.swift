// The file of a Unix socket of this process: made with its mode before anybody can connect, replaced only where nobody listens,
// removed only if it is still ours.

// Whichever of the two the compiler sees first in this module counts as the home of `stat` and its like.
import CDispatch
import Glibc

/// Why there is no socket to listen on. Names the path, as it stops the start of the process.
package struct ListeningSocketError: Error, Hashable, CustomStringConvertible {
    package let path: String
    package let reason: String
    package var description: String { "socket \(path): \(reason)" }
}

/// A bound Unix socket. Whoever takes the descriptor listens on it and closes it.
package struct ListeningSocket: Sendable {
    package let path: String
    package let descriptor: CInt
    private let identity: FileIdentity

    /// Tells this file from another one at the same path. Inode numbers are used again at once, so the time counts too.
    private struct FileIdentity: Equatable {
        let device: dev_t
        let inode: ino_t
        let seconds: Int
        let nanoseconds: Int

        init(_ facts: stat) {
            device = facts.st_dev
            inode = facts.st_ino
            seconds = facts.st_ctim.tv_sec
            nanoseconds = facts.st_ctim.tv_nsec
        }
    }

    /// `mode`: by default readable and writable by owner and group, by nobody else.
    package init(path: String, group: UInt32? = nil, mode: UInt32 = 0o660) throws(ListeningSocketError) {
        func failure(_ doing: String) -> ListeningSocketError {
            ListeningSocketError(path: path, reason: "\(doing): \(String(cString: strerror(errno)))")
        }
        try Self.clear(path)
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket") }
        var bound = false
        // Until somebody listens on it, nobody can connect: the mode is set in time.
        defer {
            if !bound { close(descriptor) }
        }
        guard try Self.withAddress(path, { bind(descriptor, $0, $1) }) == 0 else { throw failure("bind") }
        var facts = stat()
        guard chmod(path, mode) == 0, group.map({ chown(path, .max, $0) == 0 }) ?? true, lstat(path, &facts) == 0
        else {
            let error = failure("setting its mode and group")
            unlink(path)
            throw error
        }
        bound = true
        self.path = path
        self.descriptor = descriptor
        identity = FileIdentity(facts)
    }

    /// Removes the file, unless another process has put its own in place meanwhile.
    package func remove() {
        var facts = stat()
        if lstat(path, &facts) == 0, FileIdentity(facts) == identity { unlink(path) }
    }

    /// Makes room at the path: what a crash left is removed, anything else is in the way.
    private static func clear(_ path: String) throws(ListeningSocketError) {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return }
        guard facts.st_mode & S_IFMT == S_IFSOCK else {
            throw ListeningSocketError(path: path, reason: "there is a file that is no socket")
        }
        let probe = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        defer { close(probe) }
        let result = try withAddress(path) { connect(probe, $0, $1) }
        let error = errno
        // EAGAIN: a full queue; somebody listens. Only a refusal says that nobody does.
        guard result != 0, error == ECONNREFUSED else {
            let reason =
                result == 0 || error == EAGAIN || error == EINPROGRESS
                ? "another process listens on it" : String(cString: strerror(error))
            throw ListeningSocketError(path: path, reason: reason)
        }
        unlink(path)
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) throws(ListeningSocketError) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count < capacity, !bytes.contains(0) else {
            throw ListeningSocketError(path: path, reason: "must be 1 to \(capacity - 1) bytes long")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
