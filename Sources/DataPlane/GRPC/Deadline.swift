// The caller's deadline as gRPC writes it (gRPC over HTTP/2, "Timeout").

/// Milliseconds of a `grpc-timeout` (1 to 8 digits and a unit), rounded up; nil when malformed.
package func parseGRPCTimeout(_ text: UnsafeRawBufferPointer) -> UInt64? {
    guard text.count >= 2, text.count <= 9, let unit = text.last else { return nil }
    var value: UInt64 = 0
    for byte in text.dropLast() {
        guard byte >= 48, byte <= 57 else { return nil }
        value = value * 10 + UInt64(byte - 48)
    }
    switch unit {
    case UInt8(ascii: "H"): return value * 3_600_000
    case UInt8(ascii: "M"): return value * 60_000
    case UInt8(ascii: "S"): return value * 1_000
    case UInt8(ascii: "m"): return value
    case UInt8(ascii: "u"): return (value + 999) / 1_000
    case UInt8(ascii: "n"): return (value + 999_999) / 1_000_000
    default: return nil
    }
}
