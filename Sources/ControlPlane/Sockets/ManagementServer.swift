// DATA/management.sock: what the operator of this machine may do without an account. One request a connection, a line of
// JSON each way. The socket is for the user of this process alone (0600), and the kernel says who connected.

import ConsoleModel
import Glibc
package import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// What is asked for over the management socket.
package struct ManagementRequest: Codable, Sendable {
    package enum Operation: String, Codable, Sendable {
        case resetPassword = "reset-password"
    }

    package var operation: Operation
    package var user: String
    package var password: String

    package init(resetPasswordOf user: String, to password: String) {
        operation = .resetPassword
        self.user = user
        self.password = password
    }
}

package struct ManagementReply: Codable, Sendable {
    package var success: Bool
    /// One sentence for whoever sits at the terminal.
    package var message: String

    package init(success: Bool, message: String) {
        self.success = success
        self.message = message
    }
}

/// Serves the management socket until the process shuts down.
package struct ManagementServer: Service {
    package static let maximumLine = 16_384

    private let socket: ListeningSocket
    private let logger: Logger
    private let perform: @Sendable (ManagementRequest, PeerCredentials) async -> ManagementReply

    package init(
        path: String, logger: Logger,
        perform: @escaping @Sendable (ManagementRequest, PeerCredentials) async -> ManagementReply
    ) throws {
        socket = try ListeningSocket(path: path, mode: 0o600)
        self.logger = logger
        self.perform = perform
    }

    package func run() async throws {
        defer { socket.remove() }
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            // Nothing is read before it is known who is there.
            .childChannelOption(.autoRead, value: false)
            .bind(socket.descriptor) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        IdleStateHandler(allTimeout: .seconds(30)))
                    try channel.pipeline.syncOperations.addHandler(CloseWhenIdle())
                    return channel
                }
            }
        try await cancelWhenGracefulShutdown {
            try await server.executeThenClose { connections in
                // One at a time: there is one operator.
                for try await channel in connections { await serve(channel) }
            }
        }
    }

    private func serve(_ channel: any Channel) async {
        do {
            let peer = try await PeerCredentials(of: channel)
            guard peer.uid == geteuid() || peer.uid == 0 else {
                logger.warning(
                    "a process may not use the management socket",
                    metadata: ["pid": "\(peer.pid)", "uid": "\(peer.uid)"])
                channel.close(promise: nil)
                return
            }
            let connection = try await channel.eventLoop.submit {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }.get()
            try await connection.executeThenClose { inbound, outbound in
                try await channel.setOption(.autoRead, value: true).get()
                guard let line = try await Self.line(inbound) else { return }
                let reply: ManagementReply
                if let request = try? ConsoleJSON.decode(ManagementRequest.self, from: line).value {
                    reply = await perform(request, peer)
                } else {
                    reply = ManagementReply(
                        success: false, message: "The running control plane does not know this request.")
                }
                try await outbound.write(ByteBuffer(bytes: try ConsoleJSON.encode(reply) + [UInt8(ascii: "\n")]))
            }
        } catch {
            channel.close(promise: nil)
            logger.debug("management connection ended", metadata: ["error": "\(error)"])
        }
    }

    private static func line(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async throws -> [UInt8]? {
        var bytes: [UInt8] = []
        for try await buffer in inbound {
            bytes += buffer.readableBytesView
            if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) { return Array(bytes[..<end]) }
            if bytes.count > maximumLine { return nil }
        }
        return nil
    }
}

/// Closes a connection on which nothing happens: the next in line waits for it.
private final class CloseWhenIdle: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
