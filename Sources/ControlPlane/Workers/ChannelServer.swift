// The control plane's end of the config channel: a Unix socket, one connection a worker. It checks who is there, turns bytes
// into messages and offers into bytes; what they mean is the publisher's.
//
// Bounds: connections, the size of every frame (`FrameDecoder`), the time until a hello, the time without a word. An offer
// is encoded frame by frame as the worker takes them.

import ConfigChannel
package import Glibc
package import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization

/// Serves the config channel until the process shuts down.
package struct ChannelServer: Service {
    package struct Options: Sendable {
        package var path: String
        /// Group of the socket's file; `nil`: that of the process.
        package var group: gid_t?
        /// Who may connect beside root and the user of this process.
        package var allowedUsers: Set<uid_t> = []
        package var allowedGroups: Set<gid_t> = []
        package var helloTimeout = Duration.seconds(5)
        /// A worker says something every five seconds.
        package var silenceTimeout = Duration.seconds(60)
        package var maximumConnections = 64

        package init(path: String) {
            self.path = path
        }

        /// `group`: by name or number; its members may connect.
        package init(path: String, group: String?) throws(ListeningSocketError) {
            self.init(path: path)
            guard let group else { return }
            guard let number = gid_t(group) ?? getgrnam(group)?.pointee.gr_gid else {
                throw ListeningSocketError(path: path, reason: "--channel-group: there is no group \(group)")
            }
            self.group = number
            allowedGroups = [number]
        }
    }

    private let options: Options
    private let socket: ListeningSocket
    private let publisher: Publisher
    private let logger: Logger

    /// Binds the socket; nobody can connect before `run`. Throws what stops the start of the process.
    package init(_ options: Options, publisher: Publisher, logger: Logger) throws {
        self.options = options
        self.publisher = publisher
        self.logger = logger
        socket = try ListeningSocket(path: options.path, group: options.group)
    }

    package func run() async throws {
        defer { socket.remove() }
        let silence = TimeAmount.nanoseconds(Int64(options.silenceTimeout / .nanoseconds(1)))
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            // Nothing is read before somebody serves the connection. It is wrapped by that task only: one that is accepted
            // and never served (at shutdown) must not be left as a half-used `NIOAsyncChannel`.
            .childChannelOption(.autoRead, value: false)
            .bind(socket.descriptor) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        IdleStateHandler(readTimeout: silence), CloseWhenSilent())
                    return channel
                }
            }
        logger.info("channel listening", metadata: ["path": "\(options.path)"])
        try await cancelWhenGracefulShutdown {
            try await server.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { group in
                    let open = OpenConnections(limit: options.maximumConnections)
                    for try await channel in connections {
                        guard open.enter() else {
                            _ = refuse(Refused(.tooManyWorkers, "too many connections"), channel)
                            continue
                        }
                        group.addTask {
                            await serve(channel)
                            open.leave()
                        }
                    }
                }
            }
        }
    }

    // MARK: One connection

    private func serve(_ channel: any Channel) async {
        do {
            let peer = try await PeerCredentials(of: channel)
            guard isAllowed(peer) else {
                logger.warning(
                    "a process may not use the channel",
                    metadata: ["pid": "\(peer.pid)", "uid": "\(peer.uid)", "gid": "\(peer.gid)"])
                return Self.refuse(channel, Refused(.notAllowed, "user \(peer.uid) may not connect"))
            }
            let connection = try await channel.eventLoop.submit {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }.get()
            try await connection.executeThenClose { inbound, outbound in
                try await channel.setOption(.autoRead, value: true).get()
                try await converse(peer, channel, inbound, outbound)
            }
        } catch is CancellationError {
            channel.close(promise: nil)
        } catch {
            channel.close(promise: nil)
            logger.debug("channel connection ended", metadata: ["error": "\(error)"])
        }
    }

    private func isAllowed(_ peer: PeerCredentials) -> Bool {
        peer.uid == geteuid() || peer.uid == 0 || options.allowedUsers.contains(peer.uid)
            || options.allowedGroups.contains(peer.gid)
    }

    private func converse(
        _ peer: PeerCredentials, _ channel: any Channel, _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws {
        // Holds one offer at most: the publisher makes the next after the answer to this one.
        let (offers, queue) = AsyncStream.makeStream(of: Offer.self)
        let link = WorkerLink(
            peer: peer, send: { queue.yield($0) }, refuse: { Self.refuse(channel, $0) })
        let id = await publisher.connected(link)
        do {
            try await withThrowingTaskGroup { group in
                group.addTask { try await write(offers, to: outbound) }
                group.addTask { try await read(inbound, from: id, channel) }
                group.addTask { try await awaitHello(of: id, channel) }
                // The reader ends with the connection; the others never end before it unless they fail.
                while let ended = try await group.next() {
                    if ended == .reader { break }
                }
                group.cancelAll()
            }
        } catch {
            await publisher.disconnected(id)
            throw error
        }
        await publisher.disconnected(id)
    }

    private enum Part {
        case reader
        case other
    }

    private func write(
        _ offers: AsyncStream<Offer>, to outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> Part {
        for await offer in offers {
            // Small frames leave together: one change is one write, and wakes the worker once.
            var buffer = ByteBuffer()
            for frame in offer.frames() {
                buffer.writeBytes(frame)
                guard buffer.readableBytes >= ChannelLimits.chunkBytes else { continue }
                try await outbound.write(buffer)
                buffer.clear()
            }
            if buffer.readableBytes > 0 { try await outbound.write(buffer) }
        }
        return .other
    }

    private func read(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, from id: Publisher.ConnectionID, _ channel: any Channel
    ) async throws -> Part {
        var decoder = FrameDecoder()
        for try await buffer in inbound {
            decoder.append(buffer.readableBytesView)
            do throws(ConfigChannel.ChannelError) {
                while let message = try decoder.next() {
                    if let refused = await publisher.received(message, from: id) {
                        return refuse(refused, channel)
                    }
                }
            } catch {
                let code: Refused.Code = if case .unsupportedProtocol = error { .protocolVersion } else { .malformed }
                return refuse(Refused(code, "\(error)"), channel)
            }
        }
        return .reader
    }

    private func awaitHello(of id: Publisher.ConnectionID, _ channel: any Channel) async throws -> Part {
        try await Task.sleep(for: options.helloTimeout)
        if await !publisher.hasSaidHello(id) {
            _ = refuse(Refused(.malformed, "no hello within \(options.helloTimeout)"), channel)
        }
        return .other
    }

    private func refuse(_ refused: Refused, _ channel: any Channel) -> Part {
        logger.warning("channel connection refused", metadata: ["reason": "\(refused.reason)"])
        Self.refuse(channel, refused)
        return .reader
    }

    /// Says why as far as the socket takes it at once, and closes. Waits for nothing: the peer may not be reading.
    private static func refuse(_ channel: any Channel, _ refused: Refused) {
        channel.writeAndFlush(ByteBuffer(bytes: encode(.refused(refused))), promise: nil)
        channel.close(promise: nil)
    }
}

/// Counts connections against a bound.
private final class OpenConnections: Sendable {
    private let count = Mutex(0)
    private let limit: Int

    init(limit: Int) {
        self.limit = limit
    }

    func enter() -> Bool {
        count.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
    }

    func leave() {
        count.withLock { $0 -= 1 }
    }
}

/// Closes the connection of a worker that has gone silent.
private final class CloseWhenSilent: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
