// What anybody may read: whether the server is ready, the page that a fresh gateway shows, the description of the API.

import HTTPTypes
import Hummingbird
import NIOCore

/// Pages without login.
struct PublicController: Sendable {
    /// The text of docs/openapi.yaml; `nil`: not installed.
    let apiDocument: String?

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group.get("healthz/ready", use: ready)
        for method in [HTTPRequest.Method.get, .post, .put, .delete, .patch, .options] {
            group.on("landing", method: method, use: landing)
        }
        group.get("openapi.yaml", use: document)
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

    private func document(_ request: Request, context: AdminContext) async throws -> Response {
        guard let apiDocument else { return .missing }
        return Self.text(apiDocument, type: "application/yaml; charset=utf-8")
    }

    private static func text(_ text: String, type: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: type, .cacheControl: "no-cache"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
