// Requests that change something must not come from another site's page, however they are authenticated: browsers say so
// in Sec-Fetch-Site and Origin. Programs send neither and pass. A body must say that it is JSON, which no form can.

import Foundation
import HTTPTypes
package import Hummingbird

/// The decision, without a server around it.
package enum CrossSiteRule {
    /// `nil`: the request may pass.
    package static func problem(with request: Request) -> Problem? {
        switch request.method {
        case .get, .head, .options, .trace: return nil
        default: break
        }
        if let site = request.headers[.secFetchSite], site != "same-origin", site != "none" {
            return Problem(.forbidden, .crossSite, "Requests from pages of other sites are refused.")
        }
        if let origin = request.headers[.origin], !isOurs(origin, authority: request.head.authority) {
            return Problem(.forbidden, .crossSite, "Requests from pages of \(origin) are refused.")
        }
        return mediaTypeProblem(with: request)
    }

    /// `Host` was checked before, so an origin of the same authority is ours.
    private static func isOurs(_ origin: String, authority: String?) -> Bool {
        guard let authority = authority?.lowercased() else { return false }
        let origin = origin.lowercased()
        return origin == "http://\(authority)" || origin == "https://\(authority)"
    }

    private static func mediaTypeProblem(with request: Request) -> Problem? {
        let type = request.headers[.contentType]?.split(separator: ";").first
        let essence = type?.trimmingCharacters(in: .whitespaces).lowercased()
        // No form can send either, so a page of another site would have to ask first.
        if essence == "application/json" || essence == "application/yaml" { return nil }
        if request.isSQLite, request.uri.path == "/v1/restore" { return nil }
        let hasBody = request.headers[.contentLength].map { $0 != "0" } ?? (request.headers[.transferEncoding] != nil)
        if essence == nil && !hasBody { return nil }
        return Problem(
            .unsupportedMediaType, .unsupportedMediaType,
            "The body must be JSON: send the header Content-Type: application/json.")
    }
}

/// Refuses what another site's page sent.
struct CrossSiteMiddleware: RouterMiddleware {
    typealias Context = AdminContext

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        if let problem = CrossSiteRule.problem(with: request) { throw problem }
        return try await next(request, context)
    }
}

extension HTTPField.Name {
    static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!
}
