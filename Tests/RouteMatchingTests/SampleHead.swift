// Request heads from strings, and a generator of random numbers that prints its seed.

import ConfigModel
import RouteMatching

/// A request head as text; `withHead` lends it as bytes.
struct SampleHead: CustomStringConvertible {
    var method = "GET"
    var scheme = "https"
    var authority = "foo.com"
    var path = "/"
    var query = ""
    var fields: [(name: String, value: String)] = []

    var description: String {
        "\(method) \(scheme)://\(authority)\(path)\(query.isEmpty ? "" : "?\(query)") \(fields)"
    }

    func withHead<R>(_ body: (RequestHead) -> R) -> R {
        var bytes: [UInt8] = []
        var places: [Range<Int>] = []
        for text in [method, scheme, authority, path, query] + fields.flatMap({ [$0.name, $0.value] }) {
            let start = bytes.count
            bytes += Array(text.utf8)
            places.append(start..<bytes.count)
        }
        return bytes.withUnsafeMutableBytes { buffer in
            func piece(_ index: Int) -> UnsafeRawBufferPointer {
                UnsafeRawBufferPointer(rebasing: buffer[places[index]])
            }
            func pointer(_ index: Int) -> UnsafeMutablePointer<UInt8>? {
                buffer.baseAddress.map { ($0 + places[index].lowerBound).assumingMemoryBound(to: UInt8.self) }
            }
            let lines = fields.indices.map { index in
                HeaderField(
                    name: pointer(5 + 2 * index), value: pointer(6 + 2 * index),
                    nameLength: places[5 + 2 * index].count,
                    valueLength: places[6 + 2 * index].count)
            }
            return lines.withUnsafeBufferPointer { fields in
                body(
                    RequestHead(
                        method: piece(0), scheme: piece(1), authority: piece(2), path: piece(3), query: piece(4),
                        fields: fields))
            }
        }
    }
}

extension RouteTable {
    /// Name of the route that the request takes.
    func route(for head: SampleHead) -> String? {
        head.withHead { match($0) }.map { route(at: $0.route)?.name ?? "" }
    }

    func trace(_ head: SampleHead) -> [RouteCandidate] {
        head.withHead { trace($0) }
    }

    func host(for authority: String) -> String? {
        var authority = authority
        return authority.withUTF8 { virtualHost(for: UnsafeRawBufferPointer($0)) }.flatMap { virtualHost(at: $0)?.name }
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }

    mutating func pick<C: RandomAccessCollection>(_ items: C) -> C.Element {
        items[items.index(items.startIndex, offsetBy: Int.random(in: 0..<items.count, using: &self))]
    }

    mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &self) < percent
    }
}
