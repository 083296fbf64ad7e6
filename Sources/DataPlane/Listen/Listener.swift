// Listening sockets: opened off the loops, one per address and loop (SO_REUSEPORT), so that the kernel spreads connections
// and no loop wakes another. A loop accepts, sets the connection up and reads at once.

internal import COpenSSL
internal import ConfigModel
internal import Glibc
internal import Synchronization
internal import Telemetry

typealias ListenerPointer = UnsafeMutablePointer<ListenerState>

/// A loop's socket of a listener.
struct ListenerState {
    let descriptor: Int32
    let connection: ConnectionPointer
    var limits: ListenerLimits
    var tls: Bool
    /// Retained.
    var trust: Unmanaged<ListenerTrust>
    var open = 0
    /// Grows when the listener changes what its connections begin with: those of before are let go of in peace.
    var generation: UInt32 = 0
    /// Milliseconds at which those are told for the second time; 0: there are none.
    var partsAt: UInt64 = 0
    /// Connections in their handshake, in the order in which they came.
    var handshakes = 0
    var oldestHandshake: ConnectionPointer?
    var newestHandshake: ConnectionPointer?
    var memoryPerConnection = Int.max
    var memoryPerLoop = Int.max
    var memoryPerWorker = Int.max
    var isClosed = false
    /// Found closed and without a connection.
    var isSpent = false
    /// A timer is to look at the queue again.
    var waitsForRetry = false
    var next: ListenerPointer?
    let name: FixedText
    /// Retained for as long as the state is there.
    let block: Unmanaged<CellBlock>
    let counters: ListenerCounters

    var nameBytes: UnsafeRawBufferPointer { name.bytes }
}

/// A listening socket with the listener that it belongs to. The loop that takes it owns the descriptor.
struct ListenerSocket: Sendable {
    let listener: Listener
    let trust: ListenerTrust
    /// As bound.
    let port: UInt16
    let descriptor: Int32

    var name: String { listener.name }
    var address: String { listener.address }
}

/// Why an address could not be listened on.
struct ListenFailure: Error {
    let reason: String
}

/// Opens one socket for each loop. All or none.
func openListener(_ listener: Listener, loops: Int) throws(ListenFailure) -> [ListenerSocket] {
    guard let address = SocketAddress(literal: listener.address, port: listener.port) else {
        throw ListenFailure(reason: "\(listener.address) is not an IPv4 or IPv6 address")
    }
    var sockets: [ListenerSocket] = []
    var port = listener.port
    let trust = ListenerTrust(listener)
    for _ in 0..<loops {
        do {
            let (descriptor, bound) = try bindSocket(address.with(port: port), listener)
            port = bound
            sockets.append(ListenerSocket(listener: listener, trust: trust, port: bound, descriptor: descriptor))
        } catch {
            for socket in sockets { close(socket.descriptor) }
            throw error
        }
    }
    return sockets
}

private func bindSocket(_ address: SocketAddress, _ listener: Listener) throws(ListenFailure) -> (Int32, UInt16) {
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(address.family, kind, 0)
    guard descriptor >= 0 else { throw ListenFailure(reason: "socket: \(String(cString: strerror(errno)))") }
    var one: Int32 = 1
    var zero: Int32 = 0
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &one, 4)
    if address.family == AF_INET6 {
        setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &zero, 4)
    }
    guard address.withSockaddr({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, 4_096) == 0 else {
        let hint = errno == EACCES ? " (ports below 1024 need the capability CAP_NET_BIND_SERVICE)" : ""
        let reason = "\(listener.address) port \(listener.port): \(String(cString: strerror(errno)))\(hint)"
        close(descriptor)
        throw ListenFailure(reason: reason)
    }
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let read = withUnsafeMutablePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    return (descriptor, read == 0 ? PeerAddress(storage).port : listener.port)
}

extension LoopPointer {
    /// Starts to accept on a socket.
    func addListener(_ socket: ListenerSocket) {
        let connection = ConnectionPointer.allocate(capacity: 1)
        connection.initialize(to: Connection(fd: socket.descriptor, role: .listener))
        let listener = ListenerPointer.allocate(capacity: 1)
        let blocks = pointee.registry.takeUnretainedValue().listener(socket.name)
        let block = blocks[pointee.index]
        listener.initialize(
            to: ListenerState(
                descriptor: socket.descriptor, connection: connection, limits: socket.listener.limits,
                tls: socket.listener.tls, trust: .passRetained(socket.trust), name: FixedText(socket.name),
                block: .passRetained(block),
                counters: ListenerCounters(block)))
        listener.pointee.take(socket.listener.limits)
        connection.pointee.listener = listener
        listener.pointee.next = pointee.listeners
        pointee.listeners = listener
        if !pointee.waitsToAccept { watch(listener) }
    }

    private func watch(_ listener: ListenerPointer) {
        let descriptor = listener.pointee.descriptor
        let connection = listener.pointee.connection
        if causeway_epoll_add(pointee.epoll, descriptor, Event.input | Event.edge, connection) != 0 {
            pointee.statistics.resourceFailures.increment()
        }
    }

    /// The worker before lets go: takes what waits in the queues, and accepts from now on.
    func acceptNow() {
        guard pointee.waitsToAccept else { return }
        pointee.waitsToAccept = false
        var next = pointee.listeners
        while let listener = next {
            next = listener.pointee.next
            if !listener.pointee.isClosed { watch(listener) }
        }
    }

    /// Takes what waits in the queue, unless another worker has it too, then closes the socket. The state stays for the
    /// connections that point at it.
    func closeListener(_ listener: ListenerPointer, handedOver: Bool = false) {
        guard !listener.pointee.isClosed else { return }
        if !handedOver { while accept(listener) {} }
        // To close is not enough: where others have the socket open, it would go on to wake this loop.
        epoll_ctl(pointee.epoll, EPOLL_CTL_DEL, listener.pointee.descriptor, nil)
        listener.pointee.isClosed = true
        listener.pointee.connection.pointee.isClosed = true
        Glibc.close(listener.pointee.descriptor)
    }

    /// Frees listeners that are closed and had no connection any more a second ago: nothing of a tick points at them then.
    func freeClosedListeners() {
        var link: ListenerPointer?
        var next = pointee.listeners
        while let listener = next {
            next = listener.pointee.next
            guard listener.pointee.isClosed, listener.pointee.open == 0, !listener.pointee.connection.pointee.isReady,
                !listener.pointee.waitsForRetry
            else {
                link = listener
                continue
            }
            guard listener.pointee.isSpent else {
                listener.pointee.isSpent = true
                link = listener
                continue
            }
            if let link { link.pointee.next = next } else { pointee.listeners = next }
            listener.pointee.connection.deallocate()
            listener.pointee.block.release()
            listener.pointee.trust.release()
            listener.pointee.name.deallocate()
            listener.deallocate()
        }
    }

    func accept(on connection: ConnectionPointer) {
        guard let listener = connection.pointee.listener, !listener.pointee.isClosed else { return }
        if accept(listener) { markReady(connection) }
    }

    /// False: there are no more, or they must wait.
    private func accept(_ listener: ListenerPointer) -> Bool {
        var accepted = 0
        while accepted < 64 {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let fd = causeway_accept(listener.pointee.descriptor, &storage, &length)
            if fd < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                if errno != EAGAIN {
                    // Out of descriptors or memory: those in the queue wait, and are looked at again soon.
                    pointee.statistics.resourceFailures.increment()
                    retryAccept(listener)
                }
                return false
            }
            accepted += 1
            let limit = Int(listener.pointee.limits.maxConnections)
            let isOverLimit = limit > 0 && listener.pointee.open >= limit
            if isOverLimit || fd >= pointee.descriptorLimit {
                pointee.statistics.connectionsRefused.increment()
                listener.pointee.counters.refused.increment()
                pointee.statistics.abuse(isOverLimit ? .connectionLimit : .descriptorReserve).increment()
                Glibc.close(fd)
                continue
            }
            open(fd, PeerAddress(storage), listener)
        }
        return true
    }

    /// Looks at the queue again in a moment: the edge that told of it has passed.
    private func retryAccept(_ listener: ListenerPointer) {
        guard !listener.pointee.waitsForRetry else { return }
        listener.pointee.waitsForRetry = true
        _ = pointee.timers.arm(milliseconds + 50, .accept, listener)
    }

    func acceptAgain(_ listener: ListenerPointer) {
        listener.pointee.waitsForRetry = false
        accept(on: listener.pointee.connection)
    }

    private func open(_ fd: Int32, _ peer: PeerAddress, _ listener: ListenerPointer) {
        var one: Int32 = 1
        setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        let connection = newConnection(fd, .downstream)
        connection.pointee.listener = listener
        connection.pointee.generation = listener.pointee.generation
        connection.pointee.peer = peer
        connection.pointee.awaitsProxyHeader = listener.pointee.trust._withUnsafeGuaranteedRef {
            !$0.proxies.isEmpty && $0.proxies.contain(peer)
        }
        connection.pointee.isDraining = pointee.isDraining
        listener.pointee.open += 1
        pointee.downstreamCount += 1
        pointee.statistics.connectionsOpened.increment()
        listener.pointee.counters.accepted.increment()
        listener.pointee.counters.open.increment()
        if listener.pointee.tls {
            connection.pointee.stage = .handshake
            setDeadline(connection, after: UInt64(listener.pointee.limits.tlsHandshakeTimeout))
            guard startTLS(connection, server: true) else { return close(connection, because: .overload) }
            handshakeBegins(connection, listener)
        } else {
            expectHead(connection)
        }
        guard
            causeway_epoll_add(
                pointee.epoll, fd, Event.input | Event.output | Event.readHangup | Event.edge, connection) == 0
        else { return close(connection, because: .overload) }
    }
}
