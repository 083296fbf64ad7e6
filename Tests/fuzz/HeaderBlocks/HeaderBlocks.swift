// HPACK and the rules for fields on both sides of the gateway: an input is header blocks alone, which come in frames that are right.
// A client's blocks are requests and trailers, a service's are answers to them.
//
// The input's first two bytes are the size of the client's part. Each block has a byte of flags, a byte with its length, and that many
// bytes.

import ConfigModel
import DataPlane
import FuzzDriver
import Glibc

nonisolated(unsafe) private let loop: FuzzedLoop = {
    let socket = "/tmp/causeway-fuzz-blocks-\(getpid()).sock"
    func route(_ name: String, _ path: String, _ order: UInt64, _ kind: RouteKind) -> ConfigObject {
        .route(
            Route(
                name: name, order: order, path: PathPredicate(kind: .prefix, value: path),
                destinations: [Destination(cluster: "far")], kind: kind))
    }
    let cluster = Cluster(
        name: "far", endpoints: [Endpoint(host: "unix:\(socket)", port: 0)], protocol: .http2, idleTimeout: 0)
    guard
        let loop = FuzzedLoop(
            [.cluster(cluster), route("plain", "/", 1, .http), route("calls", "/g", 2, .grpc)], socket: socket)
    else { preconditionFailure("no loop: \(String(cString: strerror(errno)))") }
    return loop
}()

/// Bits of a block's flags.
private enum Flag {
    static let endStream: UInt8 = 1
    /// On the stream of the block before: trailers, or what follows a 1xx.
    static let sameStream: UInt8 = 2
    static let continued: UInt8 = 4
    static let padded: UInt8 = 8
    static let prioritized: UInt8 = 16
    /// DATA goes before it.
    static let data: UInt8 = 32
}

private func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: some Collection<UInt8>) -> [UInt8] {
    let length = payload.count
    let head = [
        UInt8(truncatingIfNeeded: length >> 16), UInt8(truncatingIfNeeded: length >> 8),
        UInt8(truncatingIfNeeded: length),
        type, flags,
    ]
    return head + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: stream >> $0) } + payload
}

/// The blocks of a part of the input in frames, on streams 1, 3, 5 and so on.
private func frames(_ input: UnsafeRawBufferPointer) -> [UInt8] {
    var bytes = frame(4, 0, 0, [])
    var stream: UInt32 = 1
    var isFirst = true
    var at = 0
    while at + 2 <= input.count {
        let flags = input[at]
        let block = input[(at + 2)..<min(at + 2 + Int(input[at + 1]), input.count)]
        at = block.endIndex
        if !isFirst, flags & Flag.sameStream == 0 { stream += 2 }
        isFirst = false
        if flags & Flag.data != 0 { bytes += frame(0, 0, stream, [0, 0, 0, 0, 0]) }
        let split = flags & Flag.continued != 0 ? block.startIndex + block.count / 2 : block.endIndex
        var payload = [UInt8](block[..<split])
        if flags & Flag.prioritized != 0 { payload = [0, 0, 0, 0, 15] + payload }
        if flags & Flag.padded != 0 { payload = [3] + payload + [0, 0, 0] }
        let ends: UInt8 = split == block.endIndex ? 4 : 0
        bytes += frame(
            1, flags & Flag.endStream | ends | flags & Flag.padded | (flags & Flag.prioritized) << 1, stream, payload)
        if ends == 0 { bytes += frame(9, 4, stream, block[split...]) }
    }
    return bytes
}

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count >= 4 else { return 0 }
    let input = UnsafeRawBufferPointer(start: start + 2, count: count - 2)
    let split = min(Int(start[0]) << 8 | Int(start[1]), input.count)
    let client = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frames(.init(rebasing: input[..<split]))
    let upstream = frames(.init(rebasing: input[split...]))
    client.withUnsafeBytes { client in
        upstream.withUnsafeBytes { loop.run(client: client, upstream: $0, piece: 65_536) }
    }
    return 0
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
