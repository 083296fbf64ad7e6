// The old worker's side of a handover, as rules without process, socket or clock:
//
// 1. one handover at a time, none while draining;
// 2. sockets are named while the config client stands still, so that none of them is closed meanwhile; then it goes on;
// 3. when the new one is warm the client stands still again: what is served is on disk, and the new one loads that;
// 4. until the new one says that it accepts, everything can be taken back: whatever goes wrong, the new one is ended and the
//    old one goes on as if nothing had happened;
// 5. after that nothing can: the old one drains.

package struct HandoverState: Sendable {
    package enum Phase: Sendable {
        case idle
        /// The config client is about to stand still, for the sockets to be named.
        case collecting
        /// The new one warms.
        case starting
        /// The config client is about to stand still, for the new one to take over.
        case holding
        /// The new one begins to accept.
        case committing
        /// The new one serves.
        case over
    }

    package enum OnRequest: Equatable, Sendable {
        /// Start the new one and hold the config client.
        case start
        case refuse(String)
    }

    package enum OnHeld: Equatable, Sendable {
        case nothing
        /// Send the offer, and let the config client go on.
        case offer
        /// Send sockets that are new since the offer, then `go`.
        case go
    }

    package enum OnMessage: Equatable, Sendable {
        /// Hold the config client.
        case hold
        /// The new one serves: drain.
        case drain
        /// End the new one and go on.
        case giveUp(String)
    }

    package private(set) var phase = Phase.idle
    package private(set) var failures: UInt64 = 0
    package private(set) var completed: UInt64 = 0

    package init() {}

    package var isUnderWay: Bool {
        switch phase {
        case .idle, .over: false
        case .collecting, .starting, .holding, .committing: true
        }
    }

    package mutating func requested(isDraining: Bool) -> OnRequest {
        if isDraining || phase == .over { return .refuse("this worker drains") }
        if isUnderWay { return .refuse("a handover is under way") }
        phase = .collecting
        return .start
    }

    /// The config client stands still.
    package mutating func held() -> OnHeld {
        switch phase {
        case .collecting:
            phase = .starting
            return .offer
        case .holding:
            phase = .committing
            return .go
        case .idle, .starting, .committing, .over: return .nothing
        }
    }

    package mutating func received(_ message: HandoverMessage) -> OnMessage {
        switch (phase, message) {
        case (.starting, .ready):
            phase = .holding
            return .hold
        case (.committing, .serving):
            phase = .over
            completed += 1
            return .drain
        case (_, .refused(let reason)): return fail("it refuses: \(reason)")
        default: return fail("it broke the protocol")
        }
    }

    /// The new one has gone, could not be started, or has taken too long.
    package mutating func failed(_ reason: String) -> OnMessage { fail(reason) }

    /// This worker is told to end: the handover is off, for no fault of the new one's.
    package mutating func abandoned() {
        phase = .idle
    }

    private mutating func fail(_ reason: String) -> OnMessage {
        phase = .idle
        failures += 1
        return .giveUp(reason)
    }
}
