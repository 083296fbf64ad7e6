// Trailers as gRPC-Web has them: the last frame of the body, with the top bit of its flags set and the fields as HTTP/1.1
// writes them (PROTOCOL-WEB.md, "HTTP/2 related behavior").

/// Puts a trailer frame together, field by field.
package struct GRPCWebTrailers {
    private var frame = ByteQueue()

    package init() {
        let head = frame.reserve(5)
        head[0] = 0x80
        frame.commit(5)
    }

    package mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        frame.append(name)
        frame.append(": ")
        frame.append(value)
        frame.append("\r\n")
    }

    /// The frame, which belongs to the caller from here on.
    package mutating func finish() -> ByteQueue {
        let length = UInt32(truncatingIfNeeded: frame.count - 5)
        for index in 0..<4 {
            frame.start[1 + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(index)))
        }
        return frame
    }
}
