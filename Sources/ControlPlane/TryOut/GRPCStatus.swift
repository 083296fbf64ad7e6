// How a gRPC call ended, from its trailers or from an answer that is no gRPC at all.

import ConsoleModel
import Foundation
import NIOHPACK
import ProtobufMessages

/// A status, as an event tells it.
package struct GRPCStatus: Encodable, Sendable {
    /// UNIMPLEMENTED: the server has no such service.
    static let noSuchService = 12

    private static let names = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ]

    package var code: Int
    package var name: String
    package var message: String
    /// Of `grpc-status-details-bin`.
    private(set) var details: JSONValue?

    init(code: Int, message: String) {
        self.code = code
        self.message = message
        name = Self.names.indices.contains(code) ? Self.names[code] : "code \(code)"
    }

    /// `nil`: the trailers tell of none.
    init?(trailers: HPACKHeaders, types: MessageTypes) {
        guard let code = trailers.first(name: "grpc-status").flatMap({ Int($0) }) else { return nil }
        self.init(code: code, message: Self.decoded(trailers.first(name: "grpc-message") ?? ""))
        details = trailers.first(name: "grpc-status-details-bin").map { Self.details($0, types) }
    }

    /// What gRPC makes of a status of HTTP without one of its own (doc/http-grpc-status-mapping.md).
    package init(http status: Int, type: String, body: String) {
        let code =
            switch status {
            case 400: 13
            case 401: 16
            case 403: 7
            case 404: 12
            case 429, 502, 503, 504: 14
            default: 2
            }
        let kind = type.isEmpty ? "no content-type" : "content-type \(type)"
        self.init(
            code: code,
            message: "The answer is HTTP \(status) with \(kind), which is not gRPC"
                + (body.isEmpty ? "." : ": \(body)"))
    }

    /// For a reason's text.
    var words: String { message.isEmpty ? "\(name) (\(code))" : "\(name) (\(code)): \(message)" }

    /// Percent-encoded UTF-8; what is not stays as it is.
    private static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        let given = Array(text.utf8)
        var position = 0
        while position < given.count {
            if given[position] == UInt8(ascii: "%"), position + 2 < given.count,
                let byte = UInt8(String(decoding: given[(position + 1)...(position + 2)], as: UTF8.self), radix: 16)
            {
                bytes.append(byte)
                position += 3
            } else {
                bytes.append(given[position])
                position += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The details of a google.rpc.Status, each by its type where that is known; else the bytes of all.
    private static func details(_ base64: String, _ types: MessageTypes) -> JSONValue {
        let padded = base64 + String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        guard let bytes = Data(base64Encoded: padded),
            let status = try? MessageReader.json(of: "google.rpc.Status", in: Array(bytes), by: types, most: 1 << 20)
        else { return .string(base64) }
        return status["details"] ?? .array([])
    }
}
