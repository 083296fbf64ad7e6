// The old worker's side of a handover: the process that it has started from the binary at its own path, and what it sends it.

internal import COpenSSL
internal import Glibc
internal import Telemetry

struct Successor {
    let pid: pid_t
    /// Its descriptor: it is no child of this process, but of this one's parent, so that a service manager hears of its end.
    private let process: Int32
    let socket: PacketSocket
    /// What did not fit yet, with copies of the descriptors.
    private var outgoing: [(message: HandoverMessage, descriptors: [Int32])] = []
    /// Listening sockets that it has. A descriptor that was closed may be another socket by now.
    private var known: Set<Known> = []

    private struct Known: Hashable {
        let name: String
        let address: String
        let port: UInt16
        let descriptor: Int32
    }

    /// Starts what is at the path that this process was started by, with the same arguments.
    init() throws(HandoverFailure) {
        var pair: [Int32] = [-1, -1]
        guard causeway_packet_pair(&pair) == 0 else { throw Self.failure("a pair of sockets", errno) }
        var sister = pid_t()
        var process: Int32 = -1
        let without = ServiceManager.ownVariables.map { strdup($0) }
        defer { for each in without { free(each) } }
        let error = without.map { UnsafePointer($0) }.withUnsafeBufferPointer {
            causeway_spawn(
                &sister, &process, CommandLine.unsafeArgv, pair[1], Predecessor.variable, $0.baseAddress,
                Int32($0.count))
        }
        close(pair[1])
        guard error == 0 else {
            close(pair[0])
            throw Self.failure(CommandLine.arguments.first ?? "", error)
        }
        pid = sister
        self.process = process
        socket = PacketSocket(descriptor: pair[0])
    }

    private static func failure(_ what: String, _ error: Int32) -> HandoverFailure {
        HandoverFailure("\(what): \(String(cString: strerror(error)))")
    }

    /// More waits to be sent.
    var isBlocked: Bool { !outgoing.isEmpty }

    /// Everything that the new one needs to begin.
    mutating func offer(
        _ ticketKeys: TicketKeys, rotatesIn: UInt32, lock: Int32, metrics: Int32?, inspect: Int32?,
        sockets: [[ListenerSocket]]
    ) throws(HandoverFailure) {
        var list = [(HandedDescriptor(.lock), lock)]
        if let metrics { list.append((HandedDescriptor(.metrics), metrics)) }
        if let inspect { list.append((HandedDescriptor(.inspect), inspect)) }
        list += news(in: sockets)
        outgoing.append(
            (.offer(ticketKeys: ticketKeys.bytes, rotatesIn: rotatesIn, descriptors: UInt32(list.count)), []))
        try add(list)
        try flush()
    }

    /// Sockets since the offer, and the word to take over.
    mutating func go(served: String, sockets: [[ListenerSocket]]) throws(HandoverFailure) {
        try add(news(in: sockets))
        outgoing.append((.go(served: served), []))
        try flush()
    }

    private mutating func news(in sockets: [[ListenerSocket]]) -> [(HandedDescriptor, Int32)] {
        var list: [(HandedDescriptor, Int32)] = []
        for (loop, own) in sockets.enumerated() {
            for socket in own {
                let seen = Known(
                    name: socket.name, address: socket.address, port: socket.port, descriptor: socket.descriptor)
                guard known.insert(seen).inserted else { continue }
                list.append((HandedDescriptor(.listener, loop: UInt16(loop), name: socket.name), socket.descriptor))
            }
        }
        return list
    }

    private mutating func add(_ list: [(HandedDescriptor, Int32)]) throws(HandoverFailure) {
        var rest = list[...]
        while !rest.isEmpty {
            let part = rest.prefix(HandoverMessage.descriptorLimit)
            rest = rest.dropFirst(part.count)
            // Copies: the loops may close theirs before everything is sent.
            let copies = part.map { fcntl($0.1, F_DUPFD_CLOEXEC, 0) }
            outgoing.append((.descriptors(part.map(\.0)), copies))
            guard !copies.contains(-1) else { throw HandoverFailure("out of descriptors") }
        }
    }

    /// Sends what fits.
    mutating func flush() throws(HandoverFailure) {
        while let next = outgoing.first {
            guard socket.send(next.message, next.descriptors) else {
                if errno == EAGAIN { return }
                throw Self.failure("sending to the new worker", errno)
            }
            for each in next.descriptors { close(each) }
            outgoing.removeFirst()
        }
    }

    /// It is of no use: its copies of the sockets go with it.
    func end() {
        _ = causeway_process_kill(process)
        _ = waitForEnd(milliseconds: -1)
        letGo()
    }

    /// It serves, and needs nothing any more.
    func letGo() {
        close(socket.descriptor)
        close(process)
        for each in outgoing.flatMap(\.descriptors) where each >= 0 { close(each) }
    }

    /// Whether it has ended.
    var hasEnded: Bool { waitForEnd(milliseconds: 0) }

    private func waitForEnd(milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
        while poll(&entry, 1, milliseconds) < 0, errno == EINTR {}
        guard entry.revents != 0 else { return false }
        // A child after all, where this process has no parent.
        _ = waitpid(pid, nil, WNOHANG)
        return true
    }
}
