// The text form of gRPC-Web: base64 in padded chunks at any boundary. Whole and in pieces must agree, and what was encoded here
// must decode to itself.

import DataPlane
import FuzzDriver

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start else { return 0 }
    let input = UnsafeRawBufferPointer(start: start, count: count)
    var whole = Base64Decoder()
    var pieces = Base64Decoder()
    var first = ByteQueue()
    var second = ByteQueue()
    let good = whole.decode(input, into: &first)
    var stillGood = true
    for index in 0..<count where stillGood {
        stillGood = pieces.decode(UnsafeRawBufferPointer(rebasing: input[index..<index + 1]), into: &second)
    }
    precondition(good == stillGood && (!good || first.count == second.count), "pieces change what is decoded")
    var text = ByteQueue()
    var again = ByteQueue()
    appendBase64(input, to: &text)
    if count > 0 {
        var decoder = Base64Decoder()
        let decoded = decoder.decode(UnsafeRawBufferPointer(start: text.start, count: text.count), into: &again)
        precondition(decoded && again.count == count, "an encoded text does not decode to itself")
    }
    for var queue in [first, second, text, again] { queue.release() }
    return 0
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
