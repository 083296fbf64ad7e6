// The wire format of protocol buffers, written.

/// Bytes of a message in the making.
struct WireWriter {
    enum WireType: UInt64 {
        case varint = 0
        case fixed64 = 1
        case bytes = 2
        case groupBegins = 3
        case groupEnds = 4
        case fixed32 = 5
    }

    private(set) var bytes: [UInt8] = []

    mutating func tag(_ number: Int, _ type: WireType) {
        varint(UInt64(number) << 3 | type.rawValue)
    }

    mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(value))
    }

    mutating func fixed(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func raw(_ more: [UInt8]) {
        bytes += more
    }

    mutating func delimited(_ more: some Collection<UInt8>) {
        varint(UInt64(more.count))
        bytes += more
    }

    mutating func field(_ number: Int, _ more: some Collection<UInt8>) {
        tag(number, .bytes)
        delimited(more)
    }
}
