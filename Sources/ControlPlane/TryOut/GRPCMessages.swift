// The messages in the bytes of a gRPC stream: five bytes in front of each tell whether it is compressed and how long it is.

package import NIOCore

/// Why what came is no gRPC.
package struct GRPCFault: Error {
    package var reason: String

    init(_ reason: String) {
        self.reason = reason
    }
}

/// Takes bytes as they come, and gives messages that are whole.
package struct GRPCMessages {
    static let prefix = 5

    /// Of a message, also of what it is once it is no longer compressed.
    private let most: Int
    private let encoding: String
    private var bytes = ByteBuffer()

    package init(most: Int, encoding: String?) {
        self.most = most
        self.encoding = encoding ?? "identity"
    }

    /// Whether nothing is left of a message that has only begun.
    package var isWhole: Bool { bytes.readableBytes == 0 }

    package mutating func append(_ more: ByteBuffer) {
        bytes.discardReadBytes()
        bytes.writeImmutableBuffer(more)
    }

    package mutating func next() throws(GRPCFault) -> ByteBuffer? {
        var ahead = bytes
        guard let flag = ahead.readInteger(as: UInt8.self), let length = ahead.readInteger(as: UInt32.self) else {
            return nil
        }
        guard flag <= 1 else {
            throw GRPCFault("A message begins with the flag \(flag): 0 and 1 are all that there are.")
        }
        guard length <= most else {
            throw GRPCFault("A message has \(length) bytes, more than the \(most) that there may be.")
        }
        guard let message = ahead.readSlice(length: Int(length)) else { return nil }
        bytes = ahead
        return flag == 0 ? message : try decompressed(message)
    }

    private func decompressed(_ message: ByteBuffer) throws(GRPCFault) -> ByteBuffer {
        switch encoding {
        case "gzip":
            guard let plain = Gzip.decompress(Array(message.readableBytesView), most: most) else {
                throw GRPCFault("A message is not gzip, or has more than \(most) bytes once it is decompressed.")
            }
            return ByteBuffer(bytes: plain)
        case "identity": throw GRPCFault("A message is compressed, but grpc-encoding does not tell how.")
        default: throw GRPCFault("A message is compressed by \(encoding), which was not asked for: gzip was.")
        }
    }

    static func framed(_ message: [UInt8]) -> ByteBuffer {
        var made = ByteBuffer()
        made.reserveCapacity(prefix + message.count)
        made.writeInteger(UInt8(0))
        made.writeInteger(UInt32(message.count))
        made.writeBytes(message)
        return made
    }
}
