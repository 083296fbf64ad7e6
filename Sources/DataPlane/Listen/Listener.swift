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
    let socket: ListenerSocket
    let connection: ConnectionPointer
    var limits: ListenerLimits
    let tls: Bool
    var open = 0
    /// Connections in their handshake, in the order in which they came.
    var handshakes = 0
    var oldestHandshake: ConnectionPointer?
    var newestHandshake: ConnectionPointer?
    var memoryPerConnection = Int.max
    var memoryPerLoop = Int.max
    var memoryPerWorker = Int.max
    var isClosed = false
    var next: ListenerPointer?
    let name: FixedText
    /// Retained: neither is ever given back, as connections point here.
    let block: Unmanaged<CellBlock>
    let counters: ListenerCounters

    var nameBytes: UnsafeRawBufferPointer { name.bytes }
}

/// A listening socket with the listener that it belongs to. The loop that takes it owns the descriptor.
struct ListenerSocket: Sendable, Equatable {
    let name: String
    let address: String
    let port: UInt16
    let tls: Bool
    let limits: ListenerLimits
    let descriptor: Int32
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
    for _ in 0..<loops {
        do {
            let (descriptor, bound) = try bindSocket(address.with(port: port), listener)
            port = bound
            sockets.append(
                ListenerSocket(
                    name: listener.name, address: listener.address, port: bound, tls: listener.tls,
                    limits: listener.limits, descriptor: descriptor))
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
        let reason = "\(listener.address) port \(listener.port): \(String(cString: strerror(errno)))"
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
                socket: socket, connection: connection, limits: socket.limits, tls: socket.tls,
                name: FixedText(socket.name), block: .passRetained(block), counters: ListenerCounters(block)))
        listener.pointee.take(socket.limits)
        connection.pointee.listener = listener
        listener.pointee.next = pointee.listeners
        pointee.listeners = listener
        if !pointee.waitsToAccept { watch(listener) }
    }

    private func watch(_ listener: ListenerPointer) {
        let descriptor = listener.pointee.socket.descriptor
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
        if !handedOver { accept(on: listener.pointee.connection) }
        // To close is not enough: where others have the socket open, it would go on to wake this loop.
        epoll_ctl(pointee.epoll, EPOLL_CTL_DEL, listener.pointee.socket.descriptor, nil)
        listener.pointee.isClosed = true
        listener.pointee.connection.pointee.isClosed = true
        Glibc.close(listener.pointee.socket.descriptor)
    }

    func accept(on connection: ConnectionPointer) {
        guard let listener = connection.pointee.listener, !listener.pointee.isClosed else { return }
        var accepted = 0
        while accepted < 64 {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let fd = causeway_accept(connection.pointee.fd, &storage, &length)
            if fd < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                if errno != EAGAIN {
                    // Out of descriptors or memory: those in the queue wait, and are looked at again soon.
                    pointee.statistics.resourceFailures.increment()
                    retryAccept(connection)
                }
                return
            }
            accepted += 1
            let limit = Int(listener.pointee.limits.maxConnections)
            if (limit > 0 && listener.pointee.open >= limit) || fd >= pointee.descriptorLimit {
                pointee.statistics.connectionsRefused.increment()
                listener.pointee.counters.refused.increment()
                pointee.statistics.abuse(.connectionLimit).increment()
                Glibc.close(fd)
                continue
            }
            open(fd, PeerAddress(storage), listener)
        }
        markReady(connection)
    }

    /// Looks at the queue again in a moment: the edge that told of it has passed.
    private func retryAccept(_ connection: ConnectionPointer) {
        _ = pointee.timers.arm(milliseconds + 50, .accept, connection)
    }

    private func open(_ fd: Int32, _ peer: PeerAddress, _ listener: ListenerPointer) {
        var one: Int32 = 1
        setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        let connection = newConnection(fd, .downstream)
        connection.pointee.listener = listener
        connection.pointee.peer = peer
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
