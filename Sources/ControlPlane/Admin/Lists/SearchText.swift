// Text as people look for it and sort it: letters whatever their case and accents, digits as numbers.

import Foundation

/// Texts of one object, folded, that words are looked for in.
package struct SearchText {
    private var bytes: [UInt8] = []

    package init() {}

    /// A word of a query as it is looked for.
    package static func folded(_ word: some StringProtocol) -> [UInt8] {
        var text = SearchText()
        text.append(String(word))
        text.bytes.removeLast()
        return text.bytes
    }

    /// Words have no white space: none is found across two texts.
    package mutating func append(_ text: String) {
        text.appendFolded(to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
    }

    package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    package func contains(_ word: [UInt8]) -> Bool {
        guard let first = word.first else { return true }
        return bytes.withUnsafeBufferPointer { text in
            var start = 0
            while start + word.count <= text.count {
                guard let found = text[start...(text.count - word.count)].firstIndex(of: first) else { return false }
                if text[found..<(found + word.count)].elementsEqual(word) { return true }
                start = found + 1
            }
            return false
        }
    }
}

/// The place of a text in a list: `route-9` comes before `Route-10`.
package struct TextOrder: Comparable, Sendable {
    /// Folded, every number with its length before its digits, so that the order is that of the bytes.
    private let bytes: [UInt8]

    package init(_ text: String) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 8)
        text.appendFolded(to: &bytes)
        var next = bytes.startIndex
        while next < bytes.endIndex {
            guard Self.isDigit(bytes[next]) else {
                next += 1
                continue
            }
            let end = bytes[next...].firstIndex { !Self.isDigit($0) } ?? bytes.endIndex
            let digits = bytes[next..<end].firstIndex { $0 != UInt8(ascii: "0") } ?? end
            bytes.replaceSubrange(next..<digits, with: [UInt8(ascii: "0"), UInt8(clamping: end - digits)])
            next += 2 + end - digits
        }
        self.bytes = bytes
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    package static func < (a: TextOrder, b: TextOrder) -> Bool {
        a.bytes.withUnsafeBytes { a in
            b.bytes.withUnsafeBytes { b in
                let shared = min(a.count, b.count)
                guard shared > 0, let ours = a.baseAddress, let theirs = b.baseAddress else { return a.count < b.count }
                let difference = memcmp(ours, theirs, shared)
                return difference == 0 ? a.count < b.count : difference < 0
            }
        }
    }
}

extension String {
    fileprivate func appendFolded(to bytes: inout [UInt8]) {
        let start = bytes.count
        for byte in utf8 {
            guard byte < 0x80 else {
                // Names are ASCII nearly always.
                bytes.removeSubrange(start...)
                let options: CompareOptions = [.caseInsensitive, .diacriticInsensitive, .widthInsensitive]
                bytes += folding(options: options, locale: nil).utf8
                return
            }
            bytes.append((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte)
        }
    }
}
