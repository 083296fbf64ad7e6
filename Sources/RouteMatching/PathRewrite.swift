// The path that the upstream sees instead of the client's (`Route.rewrite`).
//
// Exact and prefix routes: the new path replaces what matched, and what follows stays. A slash at the seam is not doubled.
// Regex routes: the new path is the whole result, with `$0` to `$9` replaced by the groups of the match.

import CRE2
import ConfigModel

/// A replacement of one route's path, as the builder parses it.
struct PathRewrite {
    enum Piece {
        case literal([UInt8])
        case group(Int)
    }

    let pieces: [Piece]

    init(_ template: String, regex: RegularExpression?) throws(RouteProblem) {
        if template.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f || $0 == 0x3f || $0 == 0x23 }) {
            throw RouteProblem(field: "rewrite.path", reason: "must not hold blanks, control characters, ? or #")
        }
        guard let regex else {
            pieces = [.literal(Array(template.utf8))]
            return
        }
        pieces = Self.parse(Array(template.utf8))
        for case .group(let group) in pieces where group > regex.groupCount {
            throw RouteProblem(
                field: "rewrite.path", reason: "$\(group) names a group that the pattern does not have")
        }
    }

    private static func parse(_ template: [UInt8]) -> [Piece] {
        var pieces: [Piece] = []
        var literal: [UInt8] = []
        var position = 0
        while position < template.count {
            if template[position] == 0x24, position + 1 < template.count, 0x30...0x39 ~= template[position + 1] {
                if !literal.isEmpty { pieces.append(.literal(literal)) }
                literal = []
                pieces.append(.group(Int(template[position + 1] - 0x30)))
                position += 2
            } else {
                literal.append(template[position])
                position += 1
            }
        }
        if !literal.isEmpty { pieces.append(.literal(literal)) }
        return pieces
    }
}

extension RewriteRule {
    /// No new path of a path of so many bytes is longer.
    func longest(of count: Int) -> Int {
        // A slash in front, and what stays behind a prefix.
        pieces.reduce(1 + count) { $0 + ($1.group >= 0 ? count : $1.literal.bytes.count) }
    }

    /// Writes the new path; returns its length, which may exceed the buffer (then only a part is written).
    func rewrite(_ path: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var writer = PathWriter(buffer: buffer)
        if let regex {
            expand(regex, path, &writer)
        } else {
            for piece in pieces { writer.append(piece.literal.bytes) }
            if prefix >= 0, prefix < path.count {
                let skip = writer.last == 0x2f && path[prefix] == 0x2f ? 1 : 0
                writer.append(UnsafeRawBufferPointer(rebasing: path[(prefix + skip)...]))
            }
        }
        if writer.count == 0 { writer.put(0x2f) }
        return writer.count
    }

    private func expand(_ regex: OpaquePointer, _ path: UnsafeRawBufferPointer, _ writer: inout PathWriter) {
        let limit = RegularExpression.groupLimit
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 2 * limit) { numbers in
            numbers.initialize(repeating: 0)
            guard let offsets = numbers.baseAddress else { return }
            let matched = (offsets + limit).withMemoryRebound(to: UInt.self, capacity: limit) { lengths in
                causeway_re2_capture(
                    regex, path.baseAddress?.assumingMemoryBound(to: CChar.self), path.count, offsets, lengths,
                    Int32(limit))
            }
            guard matched else { return writer.append(path) }
            for piece in pieces {
                guard piece.group >= 0 else {
                    writer.append(piece.literal.bytes)
                    continue
                }
                let (start, count) = (numbers[piece.group], numbers[limit + piece.group])
                if start >= 0 { writer.append(UnsafeRawBufferPointer(rebasing: path[start..<start + count])) }
            }
        }
    }
}

/// Appends as far as the buffer goes and counts on. The first byte of a path is always a slash.
private struct PathWriter {
    let buffer: UnsafeMutableRawBufferPointer
    var count = 0
    var last: UInt8 = 0

    init(buffer: UnsafeMutableRawBufferPointer) {
        self.buffer = buffer
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        if count == 0, bytes[0] != 0x2f { put(0x2f) }
        let room = min(bytes.count, max(0, buffer.count - count))
        if room > 0 {
            UnsafeMutableRawBufferPointer(rebasing: buffer[count..<count + room])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<room]))
        }
        count += bytes.count
        last = bytes[bytes.count - 1]
    }

    mutating func put(_ byte: UInt8) {
        if count < buffer.count { buffer[count] = byte }
        count += 1
        last = byte
    }
}
