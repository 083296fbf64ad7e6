// The keys that seal session tickets. All loops have the same ones, so that a ticket of one opens on every other; they are
// replaced by time, and the last ones stay for as long as a ticket lives (2 h). A worker that comes in another's place has them
// from it.

internal import COpenSSL
internal import Seal

/// The newest key first.
struct TicketKeys: Sendable {
    private(set) var bytes: [UInt8]
    private(set) var count = 1

    init() {
        bytes = Random.bytes(Int(causeway_ticket_key_bytes))
    }

    /// Those of another worker; nil: these are none.
    init?(_ bytes: [UInt8]) {
        let size = Int(causeway_ticket_key_bytes)
        guard !bytes.isEmpty, bytes.count % size == 0 else { return nil }
        count = min(bytes.count / size, Int(causeway_ticket_keys))
        self.bytes = Array(bytes.prefix(count * size))
    }

    mutating func rotate() {
        count = min(count + 1, Int(causeway_ticket_keys))
        bytes = Array(
            (Random.bytes(Int(causeway_ticket_key_bytes)) + bytes).prefix(count * Int(causeway_ticket_key_bytes)))
    }
}
