// The config channel: frames in pieces, messages, and the objects in them; what a worker makes of the messages. What decodes must
// encode to the same bytes, and what a worker takes must be valid.

import ConfigChannel
import ConfigModel
import FuzzDriver

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start else { return 0 }
    guard count > 1 else { return 0 }
    let input = UnsafeBufferPointer(start: start + 1, count: count - 1)
    var decoder = FrameDecoder()
    var subscriber = SubscriberState(
        identity: SubscriberState.Identity(workerID: "w", incarnation: 1, softwareVersion: "1", pid: 1))
    _ = subscriber.connected(state: .serving)
    let piece = max(1, Int(start[0]))
    var at = 0
    feeding: while at < input.count {
        decoder.append(input[at..<min(at + piece, input.count)])
        at += piece
        do {
            while let message = try decoder.next() {
                guard case .warm(let candidate) = subscriber.received(message) else { continue }
                precondition(
                    candidate.snapshot.validate().isEmpty, "the carried verdict is another one than that on the whole")
                _ = subscriber.warmed(nonce: candidate.nonce, degraded: [])
            }
        } catch { break feeding }
    }
    if let kind = ObjectKind(rawValue: start[0] & 7),
        let object = try? ConfigObject(kind: kind, canonicalBytes: Array(input))
    {
        precondition(object.canonicalBytes() == Array(input), "two forms of one object")
        _ = object.validate()
    }
    return 0
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
