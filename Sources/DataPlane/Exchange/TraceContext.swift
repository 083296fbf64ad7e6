// Which trace an exchange belongs to (W3C Trace Context): the client's, whose `traceparent` and `tracestate` go upstream as
// they came, or one made here. The gateway adds no span of its own, so that a trace looks the same with it and without.

internal import CNghttp2
internal import Glibc

/// The ids of a `traceparent`: 16 bytes for the trace, 8 for the span that asks.
package struct TraceContext: Equatable {
    package var high: UInt64 = 0
    package var low: UInt64 = 0
    package var parent: UInt64 = 0

    package init() {}

    package init(high: UInt64, low: UInt64, parent: UInt64) {
        self.high = high
        self.low = low
        self.parent = parent
    }

    /// Bytes of version 00: `00-<32>-<16>-<2>`.
    package static let textLength = 55
    /// Of its field in a block of HPACK.
    static let literalLength = 14 + textLength

    /// Reads a `traceparent` (§3.2). Versions to come may have more behind a dash; nil: it breaks the rules, and counts as if
    /// it was not there.
    package init?(_ text: UnsafeRawBufferPointer) {
        guard text.count >= Self.textLength, let version = Self.number(text, 0, 2), version != 0xff,
            text[2] == UInt8(ascii: "-"), text[35] == UInt8(ascii: "-"), text[52] == UInt8(ascii: "-"),
            text.count == Self.textLength || (version > 0 && text[Self.textLength] == UInt8(ascii: "-")),
            let high = Self.number(text, 3, 16), let low = Self.number(text, 19, 16), high | low != 0,
            let parent = Self.number(text, 36, 16), parent != 0, Self.number(text, 53, 2) != nil
        else { return nil }
        self.init(high: high, low: low, parent: parent)
    }

    /// Writes the ids as a `traceparent` that asks nobody to record it.
    package func write(to text: UnsafeMutablePointer<UInt8>) {
        memcpy(text, ("00-" as StaticString).utf8Start, 3)
        writeTraceID(to: text + 3)
        text[35] = UInt8(ascii: "-")
        Self.write(parent, to: text + 36)
        memcpy(text + 52, ("-00" as StaticString).utf8Start, 3)
    }

    /// 32 digits.
    package func writeTraceID(to text: UnsafeMutablePointer<UInt8>) {
        Self.write(high, to: text)
        Self.write(low, to: text + 16)
    }

    /// Lower-case digits only (§3.2.2).
    private static func number(_ text: UnsafeRawBufferPointer, _ from: Int, _ count: Int) -> UInt64? {
        var value: UInt64 = 0
        for i in from..<from + count {
            let byte = text[i]
            switch byte {
            case 48...57: value = value << 4 | UInt64(byte &- 48)
            case 97...102: value = value << 4 | UInt64(byte &- 87)
            default: return nil
            }
        }
        return value
    }

    @inline(__always)
    private static func write(_ value: UInt64, to text: UnsafeMutablePointer<UInt8>) {
        let start = UnsafeMutableRawPointer(text)
        start.storeBytes(of: digits(value >> 32).bigEndian, as: UInt64.self)
        (start + 8).storeBytes(of: digits(value & 0xffff_ffff).bigEndian, as: UInt64.self)
    }

    /// Eight digits of 32 bits at once: each half-byte in a byte of its own, then made a character.
    @inline(__always)
    private static func digits(_ value: UInt64) -> UInt64 {
        var x = (value | value << 16) & 0x0000_ffff_0000_ffff
        x = (x | x << 8) & 0x00ff_00ff_00ff_00ff
        x = (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f
        let letters = ((x &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return x &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }
}

extension ExchangePointer {
    /// Takes the trace of the head in the loop's list, or makes one.
    @inline(__always)
    func noteTrace() {
        let index = loop.pointee.facts.traceParent
        if index > 0 {
            let field = loop.pointee.fields[index]
            let text = UnsafeRawBufferPointer(start: field.value, count: field.valuelen)
            if let trace = TraceContext(text) {
                pointee.trace = trace
                return
            }
        }
        pointee.madeTrace = true
        // Random enough to tell exchanges apart, which is all that ids are for; 0 is none (§3.2.2.3).
        pointee.trace = TraceContext(high: loop.nextRandom(), low: loop.nextRandom(), parent: loop.nextRandom())
    }

    /// The `traceparent` that was made here, in the loop's scratch memory. Nobody's table gains from keeping it.
    func traceParent() -> nghttp2_nv {
        let text = loop.pointee.traceBuffer
        pointee.trace.write(to: text)
        var field = constant("traceparent", "")
        field.value = text
        field.valuelen = TraceContext.textLength
        field.flags = UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)
        return field
    }

    /// It goes behind the block of an HTTP/2 head as it is: HPACK would spend more on it than on all other fields. Not
    /// where the route may edit it, and HTTP/1.1 has a field like any other.
    var appendsTrace: Bool {
        pointee.madeTrace && !pointee.isWebSocket && pointee.upstream.pointee.connection?.pointee.wire == .http2
            && pointee.route?.pointee.filters?.pointee.requestHeaders == nil
    }

    /// A literal that is never indexed (RFC 7541 §6.2.3), name and value without Huffman codes.
    @inline(__always)
    func writeTraceLiteral(to block: UnsafeMutablePointer<UInt8>) {
        let head: StaticString = "\u{10}\u{0b}traceparent\u{37}"
        memcpy(block, head.utf8Start, 14)
        pointee.trace.write(to: block + 14)
    }

    /// The trace's id for the log, in the same memory.
    func traceIDText() -> UnsafeRawBufferPointer {
        let text = loop.pointee.traceBuffer
        pointee.trace.writeTraceID(to: text)
        return UnsafeRawBufferPointer(start: text, count: 32)
    }
}
