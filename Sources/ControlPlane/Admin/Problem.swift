// What the API says when it does not do what was asked: one shape, a stable code, words that tell what to do.

package import ConsoleModel
package import HTTPTypes
import Hummingbird

/// An answer that is not a success. Thrown by handlers, written by `ProblemMiddleware`.
package struct Problem: Error, Sendable {
    /// Stable words that programs may compare.
    package enum Code: String, Encodable, Sendable {
        case malformedBody = "malformed_body"
        case invalidFields = "invalid_fields"
        case invalidQuery = "invalid_query"
        case loginRequired = "login_required"
        case wrongCredentials = "wrong_credentials"
        case forbidden
        case crossSite = "cross_site"
        case notFound = "not_found"
        case methodNotAllowed = "method_not_allowed"
        case duplicate
        case staleVersion = "stale_version"
        case inUse = "in_use"
        case lastAdministrator = "last_administrator"
        case lastListener = "last_listener"
        case tooMany = "too_many"
        case alreadyInitialized = "already_initialized"
        case tooLarge = "too_large"
        case unsupportedMediaType = "unsupported_media_type"
        case misdirected
        case tooManyAttempts = "too_many_attempts"
        case tooManyRequests = "too_many_requests"
        case busy
        case workerSilent = "worker_silent"
        case invalidBackup = "invalid_backup"
        case restored
        case noWebhook = "no_webhook"
        case webhook
        case storage
        case http
        case `internal`
    }

    package var status: HTTPResponse.Status
    package var code: Code
    package var message: String
    package var errors: [FieldError]
    package var retryAfter: Int?
    /// Methods that the path has; of a 405.
    package var allowed: [String] = []

    package init(
        _ status: HTTPResponse.Status, _ code: Code, _ message: String, errors: [FieldError] = [],
        retryAfter: Int? = nil
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        self.retryAfter = retryAfter
    }

    private struct Body: Encodable {
        var success = false
        var code: Code
        var message: String
        @JSONField var data: String? = nil
        var errors: [FieldError]
    }

    /// For answers that say more besides.
    func encodeBody(to encoder: any Encoder) throws {
        try Body(code: code, message: message, errors: errors).encode(to: encoder)
    }

    func response() throws -> Response {
        var response = try Response.json(
            Body(code: code, message: message, errors: errors), status: status)
        if let retryAfter { response.headers[.retryAfter] = String(retryAfter) }
        if !allowed.isEmpty { response.headers[.allow] = allowed.joined(separator: ", ") }
        return response
    }
}

extension Problem {
    /// 400 with what is wrong, field by field.
    static func invalid(_ errors: [FieldError]) -> Problem {
        let words = errors.prefix(3).map { $0.field.isEmpty ? $0.message : "\($0.field): \($0.message)" }
        let rest = errors.count - words.count
        let message = words.joined(separator: " ") + (rest > 0 ? " And \(rest) more." : "")
        return Problem(.badRequest, .invalidFields, message, errors: errors)
    }

    static func invalid(_ field: String, _ message: String) -> Problem {
        invalid([FieldError(field, message)])
    }

    static func invalidQuery(_ name: String, _ message: String) -> Problem {
        Problem(.badRequest, .invalidQuery, "\(name): \(message)", errors: [FieldError(name, message)])
    }

    static func unknown(_ noun: String, _ name: String) -> Problem {
        Problem(.notFound, .notFound, "There is no \(noun) \(name).")
    }

    static func duplicate(_ noun: String, _ name: String) -> Problem {
        Problem(
            .conflict, .duplicate, "A \(noun) named \(name) exists already.",
            errors: [FieldError("name", "Exists already.")])
    }

    static func stale(_ noun: String, _ name: String, given: String, current: String?) -> Problem {
        Problem(
            .conflict, .staleVersion,
            "The \(noun) \(name) was changed meanwhile: it has version \(current ?? "none"), not \(given). Read it again.",
            errors: [FieldError("version", "Is \(given), but the current one is \(current ?? "none").")])
    }

    /// 409 with everything that uses the object.
    static func inUse(_ noun: String, _ name: String, by users: [(noun: String, name: String)]) -> Problem {
        let listed = users.prefix(10).map { "\($0.noun) \($0.name)" }.joined(separator: ", ")
        let rest = users.count > 10 ? " and \(users.count - 10) more" : ""
        return Problem(
            .conflict, .inUse, "The \(noun) \(name) is in use by \(listed)\(rest).",
            errors: users.map { FieldError("usedBy", "\($0.noun) \($0.name)") })
    }
}

extension Findings {
    /// Throws 400 when anything is refused.
    func throwIfRefused() throws(Problem) {
        if !errors.isEmpty { throw .invalid(errors) }
    }
}
