// What a token is read by before anything of it is known to be true: base64url, the JSON of header and payload, ECDSA signatures.

import DataPlane
import FuzzDriver

/// Reads the object, its points in time, and its lists of strings; nil: refused.
private func members(_ input: UnsafeRawBufferPointer) -> Int? {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyMemory(from: input)
    let names = UnsafeMutablePointer<JSONReader.Name>.allocate(capacity: JSONReader.mostNames)
    defer { names.deallocate() }
    var count = 0
    let isRead = JSONReader.members(of: copy, names: names) { name, value in
        count += 1
        precondition(name.count <= input.count, "a name is longer than all there is")
        if let seconds = value.seconds { precondition(abs(seconds) < 1e15, "a point in time that no clock shows") }
        if case .list(let list) = value { _ = JSONReader.strings(of: list) { $0.count <= input.count } }
        return true
    }
    return isRead ? count : nil
}

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 0 else { return 0 }
    let input = UnsafeRawBufferPointer(start: start, count: count)
    precondition(members(input) == members(input), "one text is read in two ways")
    let decoded = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, count * 3 / 4))
    defer { decoded.deallocate() }
    if let length = Base64URL.decode(input, into: decoded) {
        precondition(length == count * 3 / 4, "base64url has one length")
        _ = members(UnsafeRawBufferPointer(start: decoded, count: length))
    }
    let der = UnsafeMutablePointer<UInt8>.allocate(capacity: SignatureForm.longestDER)
    defer { der.deallocate() }
    for size in [32, 48, 66] {
        let length = SignatureForm.der(input, size: size, into: der)
        precondition((length != nil) == (count == 2 * size), "a signature has one length")
        precondition(length.map { $0 <= SignatureForm.longestDER } ?? true, "DER that is too long")
    }
    return 0
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
