// Counts the messages of a gRPC body as it goes by (gRPC over HTTP/2, "Length-Prefixed-Message"): only prefixes are looked at,
// wherever reads cut them. A message counts when its last byte has passed.

package struct GRPCFrames {
    /// Bytes of the message at hand that are still to come.
    private var payload: UInt32 = 0
    private var length: UInt32 = 0
    /// Bytes of the prefix at hand that have passed.
    private var position: UInt8 = 0
    /// Messages that have passed.
    package private(set) var count: UInt64 = 0

    package init() {}

    @inline(__always)
    package mutating func consume(_ bytes: UnsafePointer<UInt8>, _ size: Int) {
        if position == 0, payload == 0, size >= 5,
            Int(UInt32(bigEndian: UnsafeRawPointer(bytes + 1).loadUnaligned(as: UInt32.self))) == size &- 5
        {
            // One whole message, as unary calls have it.
            count &+= 1
        } else {
            consumePieces(bytes, size)
        }
    }

    @inline(never)
    private mutating func consumePieces(_ bytes: UnsafePointer<UInt8>, _ size: Int) {
        var i = 0
        while i < size {
            if payload > 0 {
                let taken = min(Int(payload), size - i)
                payload -= UInt32(taken)
                i += taken
                if payload == 0 { count &+= 1 }
                continue
            }
            // The first byte says whether the message is compressed: it counts either way.
            if position > 0 { length = length << 8 | UInt32(bytes[i]) }
            position += 1
            i += 1
            if position == 5 {
                payload = length
                position = 0
                length = 0
                if payload == 0 { count &+= 1 }
            }
        }
    }
}
