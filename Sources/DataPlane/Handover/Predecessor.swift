// The new worker's side of a handover: takes what the old one hands over, says when it is warm, and takes over when it may.

internal import COpenSSL
internal import Glibc

struct Predecessor: Sendable {
    /// Names the descriptor that the old worker is spoken to by.
    static let variable = "CAUSEWAY_HANDOVER"
    private static let patience: Int32 = 30_000

    private let socket: PacketSocket
    private(set) var sockets = InheritedSockets()
    let ticketKeys: TicketKeys
    /// Seconds until the keys are replaced.
    let rotatesIn: UInt32
    private(set) var lock: Int32?
    private(set) var metrics: Int32?
    private(set) var inspect: Int32?

    /// The worker that has started this one for a handover; nil: nobody has.
    init?() throws(HandoverFailure) {
        guard let text = getenv(Self.variable) else { return nil }
        guard let descriptor = Int32(String(cString: text)), descriptor > 2, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
        else { throw HandoverFailure("\(Self.variable) names no descriptor") }
        unsetenv(Self.variable)
        socket = PacketSocket(descriptor: descriptor)
        guard
            case .message(.offer(let keys, let rotatesIn, let count), _) = try socket.receive(
                milliseconds: Self.patience),
            let ticketKeys = TicketKeys(keys)
        else { throw HandoverFailure("the old worker does not begin with an offer") }
        self.ticketKeys = ticketKeys
        self.rotatesIn = rotatesIn
        var missing = Int(count)
        while missing > 0 {
            guard
                case .message(.descriptors(let list), let descriptors) = try socket.receive(milliseconds: Self.patience)
            else { throw HandoverFailure("the old worker has not sent all sockets") }
            missing -= list.count
            try take(list, descriptors)
        }
        guard lock != nil else { throw HandoverFailure("the lock of the state folder has not come") }
    }

    private mutating func take(_ list: [HandedDescriptor], _ descriptors: [Int32]) throws(HandoverFailure) {
        for (each, descriptor) in zip(list, descriptors) {
            switch each.kind {
            case .lock: lock = descriptor
            case .metrics: metrics = descriptor
            case .inspect: inspect = descriptor
            case .listener:
                guard sockets.add(descriptor, name: each.name) else {
                    throw HandoverFailure("the socket of listener \(each.name) does not listen")
                }
            }
        }
    }

    /// What the old worker serves, which is on disk; nil: it has died, and nobody serves.
    struct Turn {
        let served: String?
        /// Sockets that it has opened since its offer.
        let sockets: InheritedSockets
    }

    /// Everything is warm: says so, and waits for its turn.
    func waitForTurn() throws(HandoverFailure) -> Turn {
        guard socket.send(.ready) else { return Turn(served: nil, sockets: InheritedSockets()) }
        var later = self
        later.sockets = InheritedSockets()
        while true {
            switch try socket.receive(milliseconds: -1) {
            case .ended: return Turn(served: nil, sockets: later.sockets)
            case .message(.descriptors(let list), let descriptors): try later.take(list, descriptors)
            case .message(.go(let served), _): return Turn(served: served, sockets: later.sockets)
            default: throw HandoverFailure("the old worker broke the protocol")
            }
        }
    }

    func serves() {
        _ = socket.send(.serving)
        close(socket.descriptor)
    }

    func refuse(_ reason: String) {
        _ = socket.send(.refused(reason))
        close(socket.descriptor)
    }
}
