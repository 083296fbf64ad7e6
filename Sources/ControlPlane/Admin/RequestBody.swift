// Bodies of requests into models: bounded, JSON only, with the fields named that mean nothing to us.

import ConsoleModel
import HTTPTypes
import Hummingbird
import NIOCore

extension Request {
    /// Reads and decodes the body, which `limit` bounds. `convert` makes JSON of another form.
    func model<Value: Codable & Sendable>(
        _ type: Value.Type = Value.self, limit: Int,
        converting convert: (([UInt8]) throws(BodyError) -> [UInt8])? = nil
    ) async throws -> (value: Value, warnings: [String]) {
        var bytes = try await bytes(limit: limit)
        do {
            if let convert { bytes = try convert(bytes) }
            let decoded = try ConsoleJSON.decode(type, from: bytes)
            return (
                decoded.value, decoded.unknownFields.map { "\($0): is not a field that is known here; it is ignored." }
            )
        } catch BodyError.malformed(let message) {
            throw Problem(.badRequest, .malformedBody, message)
        } catch BodyError.wrongType(let error) {
            throw Problem.invalid([error])
        }
    }

    /// Reads the body; more than `limit` bytes are 413 before they are kept.
    func bytes(limit: Int) async throws -> [UInt8] {
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > limit { throw Problem.tooLarge(limit) }
        do {
            return Array(try await body.collect(upTo: limit).readableBytesView)
        } catch is NIOTooManyBytesError {
            throw Problem.tooLarge(limit)
        }
    }
}

extension Problem {
    static func tooLarge(_ limit: Int) -> Problem {
        Problem(.contentTooLarge, .tooLarge, "The body is larger than \(limit) bytes.")
    }
}
