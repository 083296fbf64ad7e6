// A connection as the publisher sees it: who is at the other end, and two things that can be done to it. Neither waits, so
// that a worker which does not read holds up nobody.

package import ConfigChannel

/// One connected worker's wire.
package struct WorkerLink: Sendable {
    package let peer: PeerCredentials
    /// Starts to send an offer. The publisher makes no second one before the first is answered.
    package let send: @Sendable (Offer) -> Void
    /// Says why, and closes.
    package let refuse: @Sendable (Refused) -> Void

    package init(
        peer: PeerCredentials, send: @escaping @Sendable (Offer) -> Void,
        refuse: @escaping @Sendable (Refused) -> Void
    ) {
        self.peer = peer
        self.send = send
        self.refuse = refuse
    }
}
