// The other end of the management socket: the commands of `causeway-control` that work on a data folder, through the
// process that runs on it where there is one.

import CDispatch
import ConsoleModel
import Glibc

/// Asks the control plane that runs on a data folder.
enum ManagementClient {
    /// `nil`: none runs there.
    static func ask(_ request: ManagementRequest, at path: String) throws(StartError) -> ManagementReply? {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure(path, "socket") }
        defer { close(descriptor) }
        guard try connect(descriptor, to: path) else { return nil }
        var timeout = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        guard let encoded = try? ConsoleJSON.encode(request) else { throw StartError("The request cannot be written.") }
        var rest = encoded[...] + [UInt8(ascii: "\n")]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            guard count > 0 else { throw failure(path, "writing") }
            rest = rest.dropFirst(count)
        }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while answer.last != UInt8(ascii: "\n"), answer.count <= ManagementServer.maximumLine {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count >= 0 else { throw failure(path, "reading") }
            if count == 0 { break }
            answer += chunk[..<count]
        }
        guard let reply = try? ConsoleJSON.decode(ManagementReply.self, from: answer).value else {
            throw StartError("The control plane behind \(path) closed the connection without an answer.")
        }
        return reply
    }

    /// `false`: nobody listens there.
    private static func connect(_ descriptor: CInt, to path: String) throws(StartError) -> Bool {
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
        if result == 0 { return true }
        if errno == ENOENT || errno == ECONNREFUSED { return false }
        throw failure(path, "connecting")
    }

    private static func failure(_ path: String, _ doing: String) -> StartError {
        StartError("\(doing) at \(path) failed: \(String(cString: strerror(errno))).")
    }
}
