// The listeners `http` and `https`, which a new instance makes of its flags. From then on they are resources like others, and what
// is stored counts. A flag that says other than it said before was changed by somebody who means it: it is taken over, once.

import ConsoleModel
package import Logging
package import Persistence

/// The command line and the two listeners that it speaks of.
package struct FirstListeners: Sendable {
    private let flags: ListenerFlags
    private let adminPlace: AdminPlace

    package init(_ flags: ListenerFlags, adminPlace: AdminPlace) {
        self.flags = flags
        self.adminPlace = adminPlace
    }

    private struct Subject {
        let name: String
        let kind: Console.Listener.Kind
        let flag: String
        let port: any WritableKeyPath<ListenerFlags, UInt16?> & Sendable
        let usual: Int
    }

    private static let subjects = [
        Subject(name: "http", kind: .http, flag: "--http-port", port: \.httpPort, usual: 8_000),
        Subject(name: "https", kind: .https, flag: "--https-port", port: \.httpsPort, usual: 8_443),
    ]
    private static let usualAddress = "127.0.0.1"
    private static let author = Author(name: Author.system.name, address: "", via: "command line")

    /// Makes the listeners where that was never done, and takes over what the flags say anew.
    package func settle(in store: Store, logger: Logger) async throws {
        try check()
        let known = try await store.listenerFlags()
        let edited = try await store.edit(by: Self.author) { [self] draft in
            if let known { takeOver(from: known, &draft) } else { make(&draft) }
            try judge(draft)
        }
        var next = known ?? ListenerFlags()
        next.address = flags.address ?? next.address
        for subject in Self.subjects {
            next[keyPath: subject.port] = flags[keyPath: subject.port] ?? next[keyPath: subject.port]
        }
        if next != known { try await store.remember(next) }
        tell(edited.configuration, changed: edited.changed, logger)
    }

    private func check() throws(StartError) {
        if let address = flags.address, !Syntax.isIPv4(address), !Syntax.isIPv6(address) {
            throw StartError("--gateway-address \(address) must be an IPv4 or IPv6 address without brackets and port.")
        }
        for subject in Self.subjects where flags[keyPath: subject.port] == 0 {
            throw StartError("\(subject.flag) must be between 1 and 65535, not 0.")
        }
    }

    private func make(_ draft: inout Draft) {
        for subject in Self.subjects where draft.configuration.listeners[subject.name] == nil {
            let port = flags[keyPath: subject.port].map { Int($0) } ?? subject.usual
            var listener = Console.Listener(
                name: subject.name, address: flags.address ?? Self.usualAddress, port: port, protocol: subject.kind)
            listener.normalize()
            draft.put(listener)
        }
    }

    private func takeOver(from known: ListenerFlags, _ draft: inout Draft) {
        for subject in Self.subjects {
            guard var listener = draft.configuration.listeners[subject.name]?.value else { continue }
            if let address = flags.address, address != known.address { listener.address = address }
            if let port = flags[keyPath: subject.port], port != known[keyPath: subject.port] {
                listener.port = Int(port)
            }
            listener.normalize()
            draft.put(listener)
        }
    }

    private func judge(_ draft: Draft) throws(StartError) {
        let changed = Set(draft.changedResources.map(\.name))
        for subject in Self.subjects where changed.contains(subject.name) {
            guard let listener = draft.configuration.listeners[subject.name]?.value else { continue }
            let setting = "\(subject.flag) \(listener.port ?? 0)"
            if adminPlace.meets(listener) {
                throw StartError(
                    "\(setting) is the port of the admin API (--admin-port): choose another for one of the two.")
            }
            if let error = draft.configuration.checkReferences(of: listener).errors.first {
                throw StartError("\(setting): \(error.message) Choose another port.")
            }
        }
    }

    private func tell(_ configuration: StoredConfiguration, changed: Bool, _ logger: Logger) {
        if changed {
            let places = Self.subjects.compactMap { configuration.listeners[$0.name]?.value }
                .map { "\($0.name) \($0.place)" }.joined(separator: ", ")
            logger.notice(
                "listeners made or moved as the command line says",
                metadata: ["listeners": "\(places)", "version": "\(configuration.version)"])
        }
        for subject in Self.subjects {
            guard let listener = configuration.listeners[subject.name]?.value else {
                if flags[keyPath: subject.port] != nil {
                    logger.warning(
                        "a flag speaks of a listener that was deleted: POST /v1/listeners makes it anew",
                        metadata: ["listener": "\(subject.name)", "flag": "\(subject.flag)"])
                }
                continue
            }
            let port = flags[keyPath: subject.port].map { Int($0) } ?? listener.port
            let address = flags.address.map(Console.Listener.canonical) ?? listener.address
            guard port != listener.port || address != listener.address else { continue }
            logger.warning(
                "the listener \(subject.name) was changed by the API, which counts: --gateway-address and \(subject.flag) say otherwise. PUT /v1/listeners/\(subject.name) changes it, and so does another value of the flag",
                metadata: ["listens": "\(listener.place)", "flags": "\(address) \(port ?? 0)"])
        }
    }
}
