// /system: what is known before anybody has logged in, and the first-run set-up.

import ConsoleModel
import Hummingbird
import Logging
import Persistence
import Seal

/// What this server is, and its first account.
struct SystemController: Sendable {
    let store: Store
    let authenticator: Authenticator
    let setupCode: SetupCode
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .post("init", use: initialize)
            .get("info", use: info)
            .get("config", use: config)
    }

    private struct Info: Encodable {
        var version = ControlPlaneVersion.current
        var capabilities = ["config.ingress.v1"]
    }

    private func info(_ request: Request, context: AdminContext) async throws -> Response {
        try .json(Info())
    }

    private func config(_ request: Request, context: AdminContext) async throws -> Response {
        let values = Settings.config(try await store.settings(), isInitialized: try await store.hasAccounts())
        return try .json(Envelope(values))
    }

    private func initialize(_ request: Request, context: AdminContext) async throws -> Response {
        var (setup, warnings) = try await request.model(Console.InitRequest.self, limit: bodyLimit)
        if try await store.hasAccounts() { throw Problem.alreadyInitialized }
        if !context.peer.isLoopback, !setupCode.matches(setup.setupCode?.value) {
            throw Problem(
                .forbidden, .forbidden,
                "From another machine the set-up needs setupCode: the code that the control plane printed at its start.",
                errors: [FieldError("setupCode", "Is missing or wrong.")])
        }
        var findings = setup.check()
        let settings = Settings.check(setup.configs ?? [:], &findings)
        try findings.throwIfRefused()
        warnings = warnings.filter { !$0.hasPrefix("configs.") } + findings.warnings
        guard let user = setup.adminUser else { throw Problem.invalid("adminUser", "Is required.") }
        let hash = try await authenticator.hash(Secret(user.password?.value ?? ""))
        let first = try await store.initialize(
            name: user.name, displayName: user.displayName ?? user.name, passwordHash: hash, settings: settings,
            by: Author(name: user.name, address: context.peer.address))
        guard first else { throw Problem.alreadyInitialized }
        context.logger.info("first account made", metadata: ["name": "\(user.name)"])
        return try .json(Envelope<String>(nil, warnings: warnings))
    }
}

extension Problem {
    static var alreadyInitialized: Problem {
        Problem(.conflict, .alreadyInitialized, "The system is initialized already: log in.")
    }
}
