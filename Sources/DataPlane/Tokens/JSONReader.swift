// Reads the JSON object of a token's header or payload (RFC 8259), or of a file of endpoints, in place and in one pass. Stricter than
// the grammar where two readers could understand two things: names that stand twice are refused, at any depth, and so are texts that
// are not Unicode. Bounds: depth, names, and the bytes, which those who have it read bound. No input traps, and nothing is allocated.

internal import Glibc

/// A value of a member. What it points to is valid for as long as the bytes.
package enum JSONValue {
    case null
    case bool(Bool)
    /// As it is written.
    case number(UnsafeRawBufferPointer)
    /// Without its quotes, escapes resolved.
    case string(UnsafeRawBufferPointer)
    /// With its brackets.
    case list(UnsafeMutableRawBufferPointer)
    case object
}

package struct JSONReader {
    /// Levels of lists and objects.
    package static let deepest = 16
    /// Names of the objects that are open at once.
    package static let mostNames = 256

    /// Where a name stands.
    package struct Name {
        fileprivate var start: UnsafeRawPointer
        fileprivate var count: Int
    }

    private var p: UnsafeMutablePointer<UInt8>
    private let end: UnsafeMutablePointer<UInt8>
    private let names: UnsafeMutablePointer<Name>
    private var nameCount = 0

    private init(_ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ names: UnsafeMutablePointer<Name>) {
        p = start
        end = start + count
        self.names = names
    }

    /// Gives each member of the one object in `bytes` to `body`, which may refuse it. False: something was refused, or it is not
    /// such an object. `names` has room for `mostNames`. The bytes are changed: they can be read once.
    package static func members(
        of bytes: UnsafeMutableRawBufferPointer, names: UnsafeMutablePointer<Name>,
        _ body: (UnsafeRawBufferPointer, JSONValue) -> Bool
    ) -> Bool {
        read(bytes, names: names) { $0.object(1, body) } == nil
    }

    /// Has `body` read all that stands in `bytes`, value by value. The offset at which it stopped; nil: it has read all of it.
    static func read(
        _ bytes: UnsafeMutableRawBufferPointer, names: UnsafeMutablePointer<Name>, _ body: (inout JSONReader) -> Bool
    ) -> Int? {
        guard let start = bytes.baseAddress else { return 0 }
        var reader = JSONReader(start.assumingMemoryBound(to: UInt8.self), bytes.count, names)
        reader.skipBlanks()
        if body(&reader) {
            reader.skipBlanks()
            if reader.p == reader.end { return nil }
        }
        return bytes.count - reader.left
    }

    /// Gives each element of a list to `body`, if they are all strings. False: they are not, or one was refused.
    package static func strings(
        of list: UnsafeMutableRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Bool
    ) -> Bool {
        guard let start = list.baseAddress else { return false }
        // Names are in objects, and those are none of the strings.
        return withUnsafeTemporaryAllocation(of: Name.self, capacity: 1) { none in
            guard let none = none.baseAddress else { return false }
            var reader = JSONReader(start.assumingMemoryBound(to: UInt8.self), list.count, none)
            return reader.elements { reader in
                guard let text = reader.string() else { return false }
                return body(text)
            }
        }
    }

    // MARK: - The grammar

    /// Bytes that are not read yet.
    var left: Int { end - p }

    /// What the next value begins with; nil: there is none.
    var next: UInt8? { p < end ? p.pointee : nil }

    private mutating func object(_ depth: Int, _ body: (UnsafeRawBufferPointer, JSONValue) -> Bool) -> Bool {
        members(depth) { reader, name in
            guard let value = reader.value(depth, isRead: depth == 1) else { return false }
            return body(name, value)
        }
    }

    /// Gives the name of each member of an object to `body`, which reads the value.
    mutating func members(_ depth: Int, _ body: (inout JSONReader, UnsafeRawBufferPointer) -> Bool) -> Bool {
        guard depth <= Self.deepest, take(0x7b) else { return false }
        let first = nameCount
        defer { nameCount = first }
        skipBlanks()
        if take(0x7d) { return true }
        while true {
            skipBlanks()
            guard let name = string(), note(name, since: first) else { return false }
            skipBlanks()
            guard take(0x3a) else { return false }
            skipBlanks()
            guard body(&self, name) else { return false }
            skipBlanks()
            if take(0x7d) { return true }
            guard take(0x2c) else { return false }
        }
    }

    /// Has `body` read each element of a list.
    mutating func elements(_ body: (inout JSONReader) -> Bool) -> Bool {
        guard take(0x5b) else { return false }
        skipBlanks()
        if take(0x5d) { return true }
        while true {
            skipBlanks()
            guard body(&self) else { return false }
            skipBlanks()
            if take(0x5d) { return true }
            guard take(0x2c) else { return false }
        }
    }

    /// The next value; strings have their escapes resolved.
    mutating func value() -> JSONValue? { value(1, isRead: true) }

    /// Strings inside lists are left as they are: those are read again.
    private mutating func list(_ depth: Int) -> Bool {
        depth <= Self.deepest && elements { $0.value(depth, isRead: false) != nil }
    }

    private mutating func value(_ depth: Int, isRead: Bool) -> JSONValue? {
        guard p < end else { return nil }
        switch p.pointee {
        case 0x22: return string(inPlace: isRead).map { .string($0) }
        case 0x7b: return object(depth + 1, { _, _ in true }) ? .object : nil
        case 0x5b:
            let start = p
            return list(depth + 1) ? .list(UnsafeMutableRawBufferPointer(start: start, count: p - start)) : nil
        case 0x74: return word("true") ? .bool(true) : nil
        case 0x66: return word("false") ? .bool(false) : nil
        case 0x6e: return word("null") ? .null : nil
        default: return number().map { .number($0) }
        }
    }

    /// False: it stands there already, or there are too many.
    private mutating func note(_ name: UnsafeRawBufferPointer, since first: Int) -> Bool {
        guard nameCount < Self.mostNames else { return false }
        // An empty name has an address, too: its quotes stand around it.
        guard let start = name.baseAddress else { return false }
        for index in first..<nameCount
        where names[index].count == name.count && memcmp(names[index].start, start, name.count) == 0 {
            return false
        }
        (names + nameCount).initialize(to: Name(start: start, count: name.count))
        nameCount += 1
        return true
    }

    private mutating func number() -> UnsafeRawBufferPointer? {
        let start = p
        _ = take(0x2d)
        if take(0x30) {
            // Nothing follows a zero in front.
        } else if digits() == 0 {
            return nil
        }
        if take(0x2e), digits() == 0 { return nil }
        if p < end, p.pointee | 0x20 == 0x65 {
            p += 1
            if !take(0x2b) { _ = take(0x2d) }
            if digits() == 0 { return nil }
        }
        return UnsafeRawBufferPointer(start: start, count: p - start)
    }

    private mutating func digits() -> Int {
        let start = p
        while p < end, p.pointee &- 0x30 < 10 { p += 1 }
        return p - start
    }

    private mutating func word(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard end - p >= count, memcmp(p, text.utf8Start, count) == 0 else { return false }
        p += count
        return true
    }

    /// `inPlace`: escapes are resolved where they stand; else they are only checked, and what comes back is as it was written.
    private mutating func string(inPlace: Bool = true) -> UnsafeRawBufferPointer? {
        guard take(0x22) else { return nil }
        let start = p
        var target = p
        while p < end {
            let byte = p.pointee
            switch byte {
            case 0x22:
                let stop = inPlace ? target : p
                p += 1
                return UnsafeRawBufferPointer(start: start, count: stop - start)
            case 0x5c:
                p += 1
                guard let scalar = escaped() else { return nil }
                if inPlace { write(scalar, &target) }
            case 0x20...0x7f:
                if inPlace {
                    target.pointee = byte
                    target += 1
                }
                p += 1
            case 0x80...0xff:
                guard let length = sequence() else { return nil }
                if inPlace {
                    memmove(target, p, length)
                    target += length
                }
                p += length
            default: return nil
            }
        }
        return nil
    }

    /// What stands behind a backslash.
    private mutating func escaped() -> UInt32? {
        guard p < end else { return nil }
        let byte = p.pointee
        p += 1
        switch byte {
        case 0x22, 0x5c, 0x2f: return UInt32(byte)
        case 0x62: return 0x08
        case 0x66: return 0x0c
        case 0x6e: return 0x0a
        case 0x72: return 0x0d
        case 0x74: return 0x09
        case 0x75:
            guard let first = unit() else { return nil }
            guard first & 0xf800 == 0xd800 else { return first }
            guard first < 0xdc00, take(0x5c), take(0x75), let second = unit(), second & 0xfc00 == 0xdc00 else {
                return nil
            }
            return 0x1_0000 + (first & 0x3ff) << 10 + second & 0x3ff
        default: return nil
        }
    }

    private mutating func unit() -> UInt32? {
        guard end - p >= 4 else { return nil }
        var value: UInt32 = 0
        for _ in 0..<4 {
            switch p.pointee {
            case 0x30...0x39: value = value << 4 | UInt32(p.pointee - 0x30)
            case 0x41...0x46: value = value << 4 | UInt32(p.pointee - 0x37)
            case 0x61...0x66: value = value << 4 | UInt32(p.pointee - 0x57)
            default: return nil
            }
            p += 1
        }
        return value
    }

    /// Never longer than the escape it comes from.
    private func write(_ scalar: UInt32, _ target: inout UnsafeMutablePointer<UInt8>) {
        func put(_ byte: UInt32) {
            target.pointee = UInt8(truncatingIfNeeded: byte)
            target += 1
        }
        switch scalar {
        case 0..<0x80: put(scalar)
        case 0x80..<0x800:
            put(0xc0 | scalar >> 6)
            put(0x80 | scalar & 0x3f)
        case 0x800..<0x1_0000:
            put(0xe0 | scalar >> 12)
            put(0x80 | scalar >> 6 & 0x3f)
            put(0x80 | scalar & 0x3f)
        default:
            put(0xf0 | scalar >> 18)
            put(0x80 | scalar >> 12 & 0x3f)
            put(0x80 | scalar >> 6 & 0x3f)
            put(0x80 | scalar & 0x3f)
        }
    }

    /// The length of a sequence of UTF-8 that is whole and the shortest for its character (RFC 3629 §4).
    private func sequence() -> Int? {
        func follows(_ offset: Int, _ range: ClosedRange<UInt8> = 0x80...0xbf) -> Bool {
            end - p > offset && range.contains(p[offset])
        }
        switch p.pointee {
        case 0xc2...0xdf: return follows(1) ? 2 : nil
        case 0xe0: return follows(1, 0xa0...0xbf) && follows(2) ? 3 : nil
        case 0xed: return follows(1, 0x80...0x9f) && follows(2) ? 3 : nil
        case 0xe1...0xef: return follows(1) && follows(2) ? 3 : nil
        case 0xf0: return follows(1, 0x90...0xbf) && follows(2) && follows(3) ? 4 : nil
        case 0xf4: return follows(1, 0x80...0x8f) && follows(2) && follows(3) ? 4 : nil
        case 0xf1...0xf3: return follows(1) && follows(2) && follows(3) ? 4 : nil
        default: return nil
        }
    }

    private mutating func skipBlanks() {
        while p < end, p.pointee == 0x20 || p.pointee == 0x0a || p.pointee == 0x0d || p.pointee == 0x09 { p += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard p < end, p.pointee == byte else { return false }
        p += 1
        return true
    }
}

extension JSONValue {
    /// A point in time in seconds since 1970 (RFC 7519 §2, NumericDate), which need not be whole; nil: it is none.
    package var seconds: Double? {
        guard case .number(let text) = self else { return nil }
        var (mantissa, scale, index) = (UInt64(0), 0, 0)
        let isNegative = text.first == 0x2d
        if isNegative { index = 1 }
        var isFraction = false
        while index < text.count, text[index] | 0x20 != 0x65 {
            if text[index] == 0x2e {
                isFraction = true
            } else if mantissa < 100_000_000_000_000_000 {
                mantissa = mantissa * 10 + UInt64(text[index] - 0x30)
                if isFraction { scale -= 1 }
            } else if !isFraction {
                scale += 1
            }
            index += 1
        }
        if index < text.count {
            index += 1
            let shrinks = index < text.count && text[index] == 0x2d
            if index < text.count, text[index] == 0x2d || text[index] == 0x2b { index += 1 }
            var exponent = 0
            while index < text.count {
                exponent = min(10_000, exponent * 10 + Int(text[index] - 0x30))
                index += 1
            }
            scale += shrinks ? -exponent : exponent
        }
        var value = Double(mantissa)
        for _ in 0..<min(400, abs(scale)) { value = scale < 0 ? value / 10 : value * 10 }
        // What no clock will ever show is a mistake, or meant to be one.
        guard value < 1e15 else { return nil }
        return isNegative ? -value : value
    }
}
