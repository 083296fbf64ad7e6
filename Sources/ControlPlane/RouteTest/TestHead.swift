// The head of a request from strings, lent as the bytes that matching looks at.

import RouteMatching

struct TestHead {
    var method: String
    var scheme: String
    var authority: String
    var path: String
    var query: String
    var fields: [String: String]

    func lend(_ body: (RequestHead) -> Void) {
        let fields = fields.map { ($0.key.lowercased(), $0.value) }.sorted { $0.0 < $1.0 }
        var bytes: [UInt8] = []
        var places: [Range<Int>] = []
        for text in [method, scheme, authority, path, query] + fields.flatMap({ [$0.0, $0.1] }) {
            let start = bytes.count
            bytes += Array(text.utf8)
            places.append(start..<bytes.count)
        }
        // Never empty, so that every piece has an address.
        bytes.append(0)
        bytes.withUnsafeMutableBytes { buffer in
            let space = UnsafeRawBufferPointer(buffer)
            func piece(_ index: Int) -> UnsafeRawBufferPointer {
                UnsafeRawBufferPointer(rebasing: space[places[index]])
            }
            let lines = fields.indices.map { index in
                let (name, value) = (places[5 + 2 * index], places[6 + 2 * index])
                return HeaderField(
                    name: pointer(buffer, name), value: pointer(buffer, value), nameLength: name.count,
                    valueLength: value.count)
            }
            lines.withUnsafeBufferPointer { fields in
                body(
                    RequestHead(
                        method: piece(0), scheme: piece(1), authority: piece(2), path: piece(3), query: piece(4),
                        fields: fields))
            }
        }
    }

    private func pointer(_ buffer: UnsafeMutableRawBufferPointer, _ place: Range<Int>) -> UnsafeMutablePointer<UInt8>? {
        buffer.baseAddress.map { ($0 + place.lowerBound).assumingMemoryBound(to: UInt8.self) }
    }
}
