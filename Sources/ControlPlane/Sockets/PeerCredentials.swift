// Who is at the other end of a Unix socket, by the kernel's word.

import Glibc
import NIOCore

/// What the kernel says of the process at the other end (`SO_PEERCRED`).
package struct PeerCredentials: Hashable, Sendable {
    // The layout of `struct ucred`.
    package var pid: Int32
    package var uid: UInt32
    package var gid: UInt32

    package init(pid: Int32, uid: UInt32, gid: UInt32) {
        self.pid = pid
        self.uid = uid
        self.gid = gid
    }

    init(of channel: any Channel) async throws {
        guard let provider = channel as? any SocketOptionProvider else { throw NoCredentials() }
        self = try await provider.unsafeGetSocketOption(
            level: NIOBSDSocket.OptionLevel.socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        ).get()
    }

    private struct NoCredentials: Error {}
}
