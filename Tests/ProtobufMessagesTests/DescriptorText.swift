// Descriptors and messages written by hand, in bytes.

/// A field with its number: a FileDescriptorProto is made of these.
func bytes(_ number: Int, _ content: [UInt8]) -> [UInt8] {
    varint(UInt64(number) << 3 | 2) + varint(UInt64(content.count)) + content
}

func text(_ number: Int, _ content: String) -> [UInt8] { bytes(number, Array(content.utf8)) }

func number(_ number: Int, _ value: UInt64) -> [UInt8] { varint(UInt64(number) << 3) + varint(value) }

func varint(_ value: UInt64) -> [UInt8] {
    var value = value
    var made: [UInt8] = []
    while value >= 0x80 {
        made.append(UInt8(truncatingIfNeeded: value) | 0x80)
        value >>= 7
    }
    return made + [UInt8(value)]
}

/// A FieldDescriptorProto.
func field(
    _ name: String, _ place: UInt64, type: UInt64, of typeName: String? = nil, label: UInt64 = 1, more: [UInt8] = []
) -> [UInt8] {
    bytes(
        2,
        text(1, name) + number(3, place) + number(4, label) + number(5, type) + (typeName.map { text(6, $0) } ?? [])
            + more)
}

func message(_ name: String, _ parts: [UInt8]...) -> [UInt8] { bytes(4, text(1, name) + parts.flatMap { $0 }) }

func file(_ name: String, syntax: String = "proto3", _ parts: [UInt8]...) -> [UInt8] {
    text(1, name) + text(2, "t") + text(12, syntax) + parts.flatMap { $0 }
}
