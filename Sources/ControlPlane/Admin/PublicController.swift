// What anybody may read: whether the server is ready, the page that a fresh gateway shows, the description of the API.

import HTTPTypes
import Hummingbird
import NIOCore

/// Pages without login.
struct PublicController: Sendable {
    /// docs/openapi.yaml; `nil`: not installed.
    let apiDocument: APIDocument?
    let compressed: CompressedFiles

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group.get("healthz/ready", use: ready)
        for method in [HTTPRequest.Method.get, .post, .put, .delete, .patch, .options] {
            group.on("landing", method: method, use: landing)
        }
        group.get("openapi.yaml", use: yaml)
        group.get("openapi.json", use: json)
    }

    private func ready(_ request: Request, context: AdminContext) async throws -> Response {
        Self.text("ok", type: "text/plain; charset=utf-8")
    }

    private func landing(_ request: Request, context: AdminContext) async throws -> Response {
        Self.text(
            """
            <!DOCTYPE html>
            <html lang="en">
            <head><meta charset="utf-8"><title>Causeway</title></head>
            <body>
            <h1>Causeway is running</h1>
            <p>The gateway works. Add a domain, a service source and a route in the console to send requests on.</p>
            </body>
            </html>

            """, type: "text/html; charset=utf-8")
    }

    private func yaml(_ request: Request, context: AdminContext) async throws -> Response {
        guard let apiDocument else { return .missing }
        return try await document(request, apiDocument.yaml, type: "application/yaml; charset=utf-8")
    }

    private func json(_ request: Request, context: AdminContext) async throws -> Response {
        guard let apiDocument else { return .missing }
        return try await document(request, try apiDocument.json(), type: "application/json; charset=utf-8")
    }

    private func document(_ request: Request, _ text: String, type: String) async throws -> Response {
        let tag = APIDocument.tag(text)
        var answer = Self.text(text, type: type)
        answer.headers[.eTag] = tag
        let known = CompressedFiles.plain(request).headers[values: .ifNoneMatch]
        if known.contains(tag) {
            answer.status = .notModified
            answer.body = ResponseBody()
        }
        return try await compressed.negotiate(request, answer)
    }

    private static func text(_ text: String, type: String) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: type, .cacheControl: "no-cache", .contentLength: String(text.utf8.count)],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
