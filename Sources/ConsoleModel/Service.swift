// Services as routes name them. They are not edited: each service source offers one.

extension Console {
    /// A service that a route can send requests to; derived, read-only.
    package struct Service: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        @JSONField package var namespace: String? = nil
        @JSONField package var port: Int? = nil
        @JSONField package var version: Int? = nil
        @JSONField package var endpoints: [String] = []
        @JSONField package var `protocol`: String? = nil

        /// The service of a checked source; `nil` for registries, which nothing here asks for services.
        package init?(of source: ServiceSource) {
            guard source.offersService else { return nil }
            name = source.serviceName
            namespace = "mcp"
            port = source.servicePort
            endpoints = source.serviceEndpoints.map(\.text)
            `protocol` = source.`protocol`
        }
    }
}
