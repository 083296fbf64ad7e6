// What other proxies send: PROXY protocol headers of those in front, answers to CONNECT of those in between. What is complete stays the
// same whatever follows, and no beginning of it says otherwise.

import DataPlane
import FuzzDriver

private func checkHeader(_ bytes: UnsafeRawBufferPointer) {
    switch ProxyHeader(bytes) {
    case .incomplete: break
    case .invalid: break
    case .header(let length, _):
        precondition(length > 0 && length <= bytes.count, "a header longer than what is there")
        for end in 0..<length {
            guard case .incomplete = ProxyHeader(UnsafeRawBufferPointer(rebasing: bytes[..<end])) else {
                preconditionFailure("a beginning of a header is taken for another thing")
            }
        }
        guard case .header(length, _) = ProxyHeader(UnsafeRawBufferPointer(rebasing: bytes[..<length])) else {
            preconditionFailure("what follows changes a header")
        }
    }
}

private func checkAnswer(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard case .open(let length) = ProxyTunnel.answer(bytes) else { return }
    precondition(length > 0 && length <= bytes.count, "an answer longer than what is there")
    for end in 0..<length {
        precondition(
            ProxyTunnel.answer(UnsafeBufferPointer(rebasing: bytes[..<end])) == .incomplete,
            "a beginning of an answer is taken for another thing")
    }
}

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start else { return 0 }
    checkHeader(UnsafeRawBufferPointer(start: start, count: count))
    checkAnswer(UnsafeBufferPointer(start: start, count: count))
    return 0
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
