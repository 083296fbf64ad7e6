// The config channel: frames in pieces, messages, and the objects in them. What decodes must encode to the same bytes.

import ConfigChannel
import ConfigModel
import FuzzDriver

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start else { return 0 }
    guard count > 1 else { return 0 }
    let input = UnsafeBufferPointer(start: start + 1, count: count - 1)
    var decoder = FrameDecoder()
    let piece = max(1, Int(start[0]))
    var at = 0
    feeding: while at < input.count {
        decoder.append(input[at..<min(at + piece, input.count)])
        at += piece
        do {
            while try decoder.next() != nil {}
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
