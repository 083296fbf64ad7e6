// The admin page: files of one folder, for every path that the API does not know. Single-segment paths without a file are
// pages of the application and get its index.html.

import Foundation
import HTTPTypes
import Hummingbird
import Logging

/// Serves the folder where the API finds nothing.
struct StaticFiles: RouterMiddleware {
    typealias Context = AdminContext

    private let files: FileMiddleware<AdminContext, LocalFileSystem>
    private let compressed: CompressedFiles

    init(folder: String, compressed: CompressedFiles, logger: Logger) {
        self.compressed = compressed
        files = FileMiddleware(
            folder, searchForIndexHtml: true, logger: logger)
    }

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        // A NUL would cut the path short for the file system.
        guard let path = request.uri.path.removingPercentEncoding,
            path.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f })
        else { throw HTTPError(.badRequest, message: "The path is not valid percent-encoded text.") }
        do {
            return try await file(request, context: context, next: next)
        } catch let error as HTTPError where error.status == .notFound && Self.isPage(request) {
            var head = request.head
            head.path = "/"
            return try await file(Request(head: head, body: request.body), context: context) { _, _ in throw error }
        }
    }

    private func file(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        var isFile = true
        let answer = try await files.handle(CompressedFiles.plain(request), context: context) { _, context in
            let answer = try await next(request, context)
            isFile = false
            return answer
        }
        return isFile ? try await compressed.negotiate(request, answer) : answer
    }

    private static let apiFolders: Set<Substring> = ["v1", "system", "session", "user", "healthz"]

    private static func isPage(_ request: Request) -> Bool {
        let name = request.uri.path.dropFirst()
        return (request.method == .get || request.method == .head) && !name.contains("/") && !name.contains(".")
            && !apiFolders.contains(name)
    }
}

/// Headers that keep browsers from doing what this server never wants.
struct SecurityHeaders: RouterMiddleware {
    typealias Context = AdminContext

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        response.headers[.contentSecurityPolicy] = "default-src 'self'"
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.xFrameOptions] = "DENY"
        response.headers[.referrerPolicy] = "same-origin"
        // Files of the page are asked for again by their tag, so that an upgrade shows at once.
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-cache" }
        return response
    }
}

/// Counts each request, and writes a line at debug.
struct RequestLog: RouterMiddleware {
    typealias Context = AdminContext
    let counts: RequestCounts

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let response = try await next(request, context)
        // As the router has it, so that a request cannot make a series. What it knows under no path has the name of who served it.
        let path = context.endpointPath.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? ""
        counts.count(request.method, path, response.status.code)
        context.logger.debug(
            "request",
            metadata: [
                "method": "\(request.method.rawValue)", "path": "\(request.uri.path)",
                "status": "\(response.status.code)", "peer": "\(context.peer.address)",
                "milliseconds": "\(start.duration(to: .now) / .milliseconds(1))",
            ])
        return response
    }
}

extension HTTPField.Name {
    static let xFrameOptions = HTTPField.Name("X-Frame-Options")!
    static let referrerPolicy = HTTPField.Name("Referrer-Policy")!
}
