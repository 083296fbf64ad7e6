// Files of the page and the API document, smaller: gzip, made at the first request for each and kept. Answers of the API are not
// compressed, because their length would tell what stands beside a text that somebody else chose.

import CZlib
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Compressed forms by path, each of the content that its tag names: as many as the page has files.
final class CompressedFiles: Sendable {
    private struct Kept: Sendable {
        var tag: String
        var bytes: ByteBuffer
    }

    /// What costs more than it saves.
    private static let smallest = 512
    private static let suffix = "-gzip\""
    private let kept = Mutex<[String: Kept]>([:])

    /// The request as it is without compression: a tag of a compressed form stands for its file.
    static func plain(_ request: Request) -> Request {
        guard let tags = request.headers[.ifNoneMatch], tags.contains(suffix) else { return request }
        var head = request.head
        head.headerFields[.ifNoneMatch] = tags.replacing(suffix, with: "\"")
        return Request(head: head, body: request.body)
    }

    /// The answer in the form that the request takes. `answer` is whole, of a file or a text with a tag.
    func negotiate(_ request: Request, _ answer: Response) async throws -> Response {
        guard let tag = answer.headers[.eTag], Self.isText(answer.headers[.contentType]) else { return answer }
        var answer = answer
        answer.headers[.vary] = "Accept-Encoding"
        guard request.headers[.range] == nil, Self.takesGzip(request.headers[values: .acceptEncoding]) else {
            return answer
        }
        if answer.status == .notModified {
            answer.headers[.eTag] = Self.compressedTag(tag)
            return answer
        }
        guard answer.status == .ok, let length = answer.headers[.contentLength].flatMap({ Int($0) }),
            length >= Self.smallest, let bytes = try await bytes(request, answer, tag)
        else { return answer }
        answer.headers[.eTag] = Self.compressedTag(tag)
        answer.headers[.contentEncoding] = "gzip"
        answer.headers[.contentLength] = String(bytes.readableBytes)
        // Ranges are of the plain file.
        answer.headers[.acceptRanges] = nil
        answer.body = request.method == .head ? ResponseBody() : ResponseBody(byteBuffer: bytes)
        return answer
    }

    private func bytes(_ request: Request, _ answer: Response, _ tag: String) async throws -> ByteBuffer? {
        let path = request.uri.path
        if let known = kept.withLock({ $0[path] }), known.tag == tag { return known.bytes }
        // A HEAD has no content to compress: its answer is the plain one until a GET has come.
        guard request.method == .get else { return nil }
        let collector = BodyCollector()
        try await answer.body.write(collector)
        guard let bytes = Gzip.compress(collector.bytes) else { return nil }
        let made = Kept(tag: tag, bytes: ByteBuffer(bytes: bytes))
        kept.withLock { $0[path] = made }
        return made.bytes
    }

    private static func compressedTag(_ tag: String) -> String {
        tag.hasSuffix("\"") ? tag.dropLast() + suffix : tag
    }

    private static func isText(_ type: String?) -> Bool {
        guard let type else { return false }
        return ["text/", "application/javascript", "application/json", "application/yaml", "image/svg"]
            .contains { type.hasPrefix($0) }
    }

    /// RFC 9110 §12.5.3, as far as gzip goes: named, or any coding taken, and not with a weight of 0.
    static func takesGzip(_ values: [String]) -> Bool {
        var any = false
        for item in values.joined(separator: ",").split(separator: ",") {
            let parts = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let name = parts.first else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            if name == "gzip" || name == "x-gzip" { return weight > 0 }
            if name == "*" { any = weight > 0 }
        }
        return any
    }
}

/// Takes a body as a whole; only for bodies of our own, which are bounded.
private final class BodyCollector: ResponseBodyWriter {
    private(set) var bytes: [UInt8] = []

    func write(_ buffer: ByteBuffer) async throws { bytes.append(contentsOf: buffer.readableBytesView) }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

/// RFC 1952, by zlib.
package enum Gzip {
    /// `nil`: zlib had no memory.
    package static func compress(_ bytes: [UInt8]) -> [UInt8]? {
        var stream = z_stream()
        // 16 more than the window's bits: with a gzip header.
        guard
            deflateInit2_(
                &stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { return nil }
        defer { deflateEnd(&stream) }
        var bytes = bytes
        let bound = Int(deflateBound(&stream, UInt(bytes.count)))
        var isWhole = false
        let compressed = [UInt8](unsafeUninitializedCapacity: bound) { output, count in
            bytes.withUnsafeMutableBufferPointer { input in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                isWhole = deflate(&stream, Z_FINISH) == Z_STREAM_END
                count = Int(stream.total_out)
            }
        }
        return isWhole ? compressed : nil
    }

    /// `nil`: it is not gzip, is cut off, or has more than `most` bytes.
    package static func decompress(_ bytes: [UInt8], most: Int) -> [UInt8]? {
        var stream = z_stream()
        guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return nil
        }
        defer { inflateEnd(&stream) }
        var bytes = bytes
        var made: [UInt8] = []
        let isWhole = bytes.withUnsafeMutableBufferPointer { input in
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(input.count)
            while made.count <= most {
                var result = Z_OK
                made += [UInt8](unsafeUninitializedCapacity: 64 << 10) { output, count in
                    stream.next_out = output.baseAddress
                    stream.avail_out = UInt32(output.count)
                    result = inflate(&stream, Z_NO_FLUSH)
                    count = output.count - Int(stream.avail_out)
                }
                if result == Z_STREAM_END { return true }
                if result != Z_OK { return false }
            }
            return false
        }
        return isWhole && made.count <= most ? made : nil
    }
}
