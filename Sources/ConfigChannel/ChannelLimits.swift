// The bounds of the channel. Both ends hold them: what one would not accept, the other does not send.

/// Sizes and counts that nothing on the channel exceeds.
package enum ChannelLimits {
    /// The protocol that this build speaks. The first field of a hello, in every protocol there will ever be.
    package static let protocolVersion: UInt16 = 2

    /// Canonical bytes of one object. The compiler refuses larger ones before they are stored.
    package static let objectBytes = 8 << 20
    /// Payload at which a chunk of objects is closed; one object alone may exceed it.
    package static let chunkBytes = 1 << 20
    /// Objects of one snapshot.
    package static let objects = 2_000_000
    /// Canonical bytes of one snapshot.
    package static let snapshotBytes = 1 << 30

    /// Reports in one ACK or NACK; further ones are counted, not sent.
    package static let reports = 1_000
    package static let nameBytes = 1_024
    package static let reasonBytes = 1_024
    package static let statisticsBytes = 4 << 20

    static let headerBytes = 5

    /// Largest payload of a type. Checked when the header has arrived, before anything is buffered for it.
    static func payload(_ type: MessageType) -> Int {
        switch type {
        case .hello, .refused, .publishBegin, .publishEnd: 16 << 10
        case .objects: objectBytes + (64 << 10)
        case .ack, .nack, .status: reports * (2 * nameBytes + reasonBytes + 16) + 1_024
        case .statistics: statisticsBytes
        }
    }
}
