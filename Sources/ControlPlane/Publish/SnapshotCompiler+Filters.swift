// The filters of a route and the consumers, out of fields and annotations; fields win.

import ConfigModel
import ConsoleModel
import Persistence
import Seal

extension SnapshotCompiler {
    /// `mirror` is the name of the cluster that gets copies.
    static func filters(_ route: Console.Route, mirror: String?) -> RouteFilters {
        var filters = RouteFilters()
        filters.access = access(route)
        filters.cors = cors(route)
        filters.redirect = redirect(route)
        filters.httpsOnly = route.annotatedHTTPSOnly
        if let auth = route.authConfig, auth.enabled == true {
            let types = auth.allowedCredentialTypes ?? []
            filters.authentication = RouteAuthentication(
                kinds: CredentialKind.allCases.filter { types.isEmpty || types.contains($0.console.rawValue) },
                consumers: (auth.allowedConsumers ?? []).sorted())
        }
        filters.rateLimit = rateLimit(route)
        filters.concurrencyLimit = concurrencyLimit(route)
        filters.webSocketLimits = webSocketLimits(route)
        if let mock = route.mock, mock.enabled == true {
            filters.directResponse = DirectResponse(
                status: UInt16(clamping: mock.status ?? 200), body: mock.content ?? "",
                contentType: mock.contentType ?? "text/plain; charset=utf-8")
        }
        if let control = route.headerControl, control.enabled ?? true {
            filters.requestHeaders = edits(control.request)
            filters.responseHeaders = edits(control.response)
        }
        if let mirror, let copies = route.effectiveMirror {
            let share = ((copies.percentage ?? 100) * 100).rounded()
            filters.mirror = Mirror(cluster: mirror, share: min(10_000, max(1, UInt32(share))))
        }
        filters.affinity = route.affinity.map {
            CookieAffinity(
                name: $0.cookie, path: $0.path, maxAge: $0.maxAge.map { UInt32(clamping: $0) },
                expires: $0.expires.map { UInt32(clamping: $0) }, isPersistent: $0.isPersistent,
                coversDestinations: $0.coversCanaries)
        }
        return filters
    }

    private static func access(_ route: Console.Route) -> AddressAccess? {
        let field = (route.ipAccess?.enabled ?? true) ? route.ipAccess : nil
        let access = AddressAccess(
            allow: (field?.allow ?? []) + route.annotatedAllow, deny: (field?.deny ?? []) + route.annotatedDeny)
        return access.allow.isEmpty && access.deny.isEmpty ? nil : access
    }

    private static func cors(_ route: Console.Route) -> CORSPolicy? {
        guard let cors = route.cors, cors.enabled ?? true else { return nil }
        let given = [cors.allowOrigins, cors.allowMethods, cors.allowHeaders, cors.exposeHeaders]
        // Answers of Higress carry an object of nulls where nothing is set, and clients send it back.
        guard cors.enabled == true || given.contains(where: { $0 != nil }) else { return nil }
        let origins = cors.allowOrigins ?? []
        return CORSPolicy(
            origins: origins.isEmpty ? ["*"] : origins.map { $0 == "*" ? $0 : $0.lowercased() },
            methods: cors.allowMethods ?? [], headers: cors.allowHeaders ?? [], exposed: cors.exposeHeaders ?? [],
            maxAge: cors.maxAge.map { UInt32(clamping: $0) }, credentials: cors.allowCredentials ?? false)
    }

    private static func redirect(_ route: Console.Route) -> Redirect? {
        if let redirect = route.redirect, redirect.enabled == true {
            return Redirect(status: UInt16(clamping: redirect.status ?? 307), location: redirect.url ?? "")
        }
        return route.annotatedRedirect.map {
            Redirect(status: UInt16(clamping: $0.status), location: $0.location, rootOnly: $0.rootOnly)
        }
    }

    private static func rateLimit(_ route: Console.Route) -> RateLimit? {
        if let limit = route.rateLimit, limit.enabled ?? true, let qps = limit.qps {
            return RateLimit(
                requests: UInt32(clamping: qps), burst: UInt32(clamping: limit.burst ?? qps),
                perAddress: limit.perAddress ?? false)
        }
        return route.annotatedRateLimit.map {
            RateLimit(
                requests: UInt32(clamping: $0.requests), period: UInt32(clamping: $0.period),
                burst: UInt32(clamping: $0.burst), perAddress: $0.perAddress)
        }
    }

    private static func concurrencyLimit(_ route: Console.Route) -> ConcurrencyLimit? {
        if let limit = route.concurrencyLimit, limit.enabled ?? true, let max = limit.max {
            return ConcurrencyLimit(max: UInt32(clamping: max), perAddress: limit.perAddress ?? false)
        }
        return route.annotatedConcurrencyLimit.map { ConcurrencyLimit(max: UInt32(clamping: $0), perAddress: true) }
    }

    private static func webSocketLimits(_ route: Console.Route) -> WebSocketLimits? {
        let limits = WebSocketLimits(
            maxFrameSize: UInt32(clamping: route.webSocket?.maxFrameSize ?? 0),
            maxMessageSize: UInt32(clamping: route.webSocket?.maxMessageSize ?? 0))
        return limits == WebSocketLimits() ? nil : limits
    }

    private static func edits(_ stage: Console.HeaderControl.Stage?) -> HeaderEdits? {
        guard let stage else { return nil }
        func values(_ headers: [Console.HeaderControl.Header]?) -> [HeaderValue] {
            (headers ?? []).map { HeaderValue(name: $0.key.lowercased(), value: $0.value) }
        }
        let edits = HeaderEdits(
            remove: (stage.remove ?? []).map { $0.lowercased() }, set: values(stage.set), add: values(stage.add))
        return edits == HeaderEdits() ? nil : edits
    }

    /// Keys and passwords become hashes here: the worker compares, and cannot tell them to anybody. Of tokens it gets the keys that
    /// they are checked with, and those are secrets only where their issuer signs with a secret (HMAC).
    func consumer(_ consumer: Console.Consumer) -> ConfigObject {
        var credentials: [Credential] = []
        var tokens: [TokenCredential] = []
        for credential in consumer.credentials {
            switch credential.kind {
            case .basic:
                let pair = "\(credential.username ?? ""):\(credential.password?.value ?? "")"
                credentials.append(Credential(source: .basic, hash: SHA256.hash(pair)))
            case .key:
                let source = credential.source.flatMap(Console.Credential.Source.init(rawValue:))
                for value in credential.values?.value ?? [] {
                    let hash = SHA256.hash(value)
                    switch source {
                    case .bearer: credentials.append(Credential(source: .bearer, hash: hash))
                    case .header:
                        credentials.append(Credential(source: .header, key: credential.key ?? "", hash: hash))
                    case .query: credentials.append(Credential(source: .query, key: credential.key ?? "", hash: hash))
                    case nil: break
                    }
                }
            case .token: tokens.append(token(credential))
            case nil: break
            }
        }
        return .consumer(Consumer(name: consumer.name, credentials: credentials, tokens: tokens))
    }

    private func token(_ credential: Console.Credential) -> TokenCredential {
        let source: CredentialSource =
            switch credential.source.flatMap(Console.Credential.Source.init(rawValue:)) {
            case .header: .header
            case .query: .query
            case .bearer, nil: .bearer
            }
        return TokenCredential(
            source: source, key: source == .bearer ? "" : credential.key ?? "", issuer: credential.issuer ?? "",
            subject: credential.subject ?? "", audiences: credential.audiences ?? [],
            keys: (credential.jwks?.signing ?? []).compactMap { $0.key.compiled },
            clockSkew: UInt32(clamping: credential.clockSkewSeconds ?? Console.Credential.defaultClockSkew),
            claims: (credential.claimsToHeaders ?? []).map { ClaimHeader(claim: $0.claim, header: $0.header) },
            keepsToken: credential.keepToken ?? true)
    }
}

extension CredentialKind {
    fileprivate var console: Console.Credential.Kind {
        switch self {
        case .key: .key
        case .basic: .basic
        case .token: .token
        }
    }
}
