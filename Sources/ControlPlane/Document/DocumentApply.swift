// A document into a draft: each resource by the rules that its own controller has, then what refers to what, over the whole.
// One edit, so all of it or nothing.

import ConsoleModel
import Persistence
import Seal
import TLSMaterial

/// A document that was checked as far as it can be without the stored configuration.
struct DocumentApply: Sendable {
    private var document: Console.ConfigurationDocument
    private let prunes: Bool
    /// What the document brings whole, by name; others keep what is stored.
    private var certificates: [String: StoredCertificate] = [:]
    private var secrets = Console.ConfigurationDocument.Secrets()
    private var findings = Findings()

    /// Rules and PEM of each resource. Off the writer's queue: this may take a while.
    init(_ document: Console.ConfigurationDocument, prunes: Bool) throws {
        try document.check().throwIfRefused()
        self.document = document
        self.prunes = prunes
        if let sealed = document.sealed {
            do {
                let opened = try PassphraseSeal.open(
                    sealed, passphrase: Secret(document.passphrase?.value ?? ""),
                    purpose: Console.ConfigurationDocument.purpose)
                secrets = try ConsoleJSON.decode(Console.ConfigurationDocument.Secrets.self, from: opened).value
            } catch let error as PassphraseError {
                throw Problem.invalid("sealed", "Cannot be opened: \(error).")
            }
        }
        checkCertificates()
        for index in (document.proxyServers ?? []).indices {
            self.document.proxyServers?[index].normalize()
            findings.add(self.document.proxyServers?[index].check() ?? Findings(), at: "proxyServers[\(index)]")
        }
        for index in (document.serviceSources ?? []).indices {
            self.document.serviceSources?[index].normalize()
            self.document.serviceSources?[index].version = nil
            findings.add(self.document.serviceSources?[index].check() ?? Findings(), at: "serviceSources[\(index)]")
        }
        for index in (document.domains ?? []).indices {
            self.document.domains?[index].normalize()
            findings.add(self.document.domains?[index].check() ?? Findings(), at: "domains[\(index)]")
        }
        for index in (document.listeners ?? []).indices {
            self.document.listeners?[index].normalize()
            findings.add(self.document.listeners?[index].check() ?? Findings(), at: "listeners[\(index)]")
        }
        for index in (document.routes ?? []).indices {
            self.document.routes?[index].normalize()
            guard let route = self.document.routes?[index] else { continue }
            findings.add(RouteController.check(route), at: "routes[\(index)]")
        }
        try findings.throwIfRefused()
    }

    var warnings: [String] { Array(findings.warnings.prefix(100)) }

    private mutating func checkCertificates() {
        for (index, given) in (document.tlsCertificates ?? []).enumerated() {
            var upload = given
            upload.normalize()
            if !upload.bringsKey, upload.cert != nil, let key = secrets.keys[upload.name] {
                upload.key = Concealed(key)
            }
            document.tlsCertificates?[index] = upload
            // A certificate without a key is one that is stored already: that is seen in the edit.
            guard upload.bringsKey else { continue }
            let checked = upload.check(creating: true)
            findings.add(checked, at: "tlsCertificates[\(index)]")
            guard checked.errors.isEmpty else { continue }
            do {
                let read = try CertificateController.inspect(upload)
                certificates[upload.name] = read?.certificate
                for hint in read?.hints ?? [] where hint.isCertain {
                    findings.warn("tlsCertificates[\(index)].cert: \(hint).")
                }
            } catch {
                for error in error.errors { findings.refuse("tlsCertificates[\(index)].\(error.field)", error.message) }
            }
        }
    }

    /// Puts it all, takes out what it does not have if that is asked for, and checks every reference of the result.
    func run(on draft: inout Draft) throws {
        var findings = Findings()
        let before = draft.original
        putCertificates(on: &draft, &findings)
        for server in document.proxyServers ?? [] { draft.put(server) }
        for source in document.serviceSources ?? [] {
            var source = source
            if source.authN != nil, source.authN?.properties?.value.isEmpty ?? true {
                let given = secrets.properties[source.name].map { Concealed($0) }
                let stored = before.serviceSources[source.name]?.value.authN?.properties
                source.authN?.properties = given ?? stored
            }
            draft.put(source)
        }
        putConsumers(on: &draft, &findings)
        for listener in document.listeners ?? [] { draft.put(listener) }
        for domain in document.domains ?? [] { draft.put(domain) }
        for route in document.routes ?? [] { draft.put(route) }
        if prunes { prune(&draft) }
        try findings.throwIfRefused()
        try Self.references(of: draft, document).throwIfRefused()
    }

    private func putCertificates(on draft: inout Draft, _ findings: inout Findings) {
        for (index, upload) in (document.tlsCertificates ?? []).enumerated() {
            if let certificate = certificates[upload.name] {
                draft.put(certificate)
                continue
            }
            let stored = draft.original.certificates[upload.name]?.value
            if stored == nil {
                findings.refuse(
                    "tlsCertificates[\(index)].key", "Is needed: there is no certificate \(upload.name) yet.")
            } else if let cert = upload.cert, cert != stored?.chain {
                findings.refuse(
                    "tlsCertificates[\(index)].key", "Is needed: this is not the certificate that is stored.")
            }
        }
    }

    private func putConsumers(on draft: inout Draft, _ findings: inout Findings) {
        for (index, given) in (document.consumers ?? []).enumerated() {
            var consumer = given
            consumer.normalize()
            if let credentials = secrets.credentials[consumer.name] {
                var whole = consumer
                whole.credentials = credentials
                consumer = consumer.keepingSecrets(of: whole)
            }
            if let stored = draft.original.consumers[consumer.name]?.value {
                consumer = consumer.keepingSecrets(of: stored)
            }
            let checked = consumer.checkWithKeys()
            findings.add(checked, at: "consumers[\(index)]")
            if checked.errors.isEmpty { draft.put(consumer) }
        }
    }

    /// Only kinds that the document speaks of.
    private func prune(_ draft: inout Draft) {
        func keepOnly(_ names: [String]?, _ kind: ResourceKind, of present: [String]) {
            guard let names else { return }
            for name in Set(present).subtracting(names).sorted() { draft.remove(kind, named: name) }
        }
        let before = draft.original
        keepOnly(document.routes?.map(\.name), .route, of: before.routes.names)
        keepOnly(document.domains?.map(\.name), .domain, of: before.domains.names)
        keepOnly(document.consumers?.map(\.name), .consumer, of: before.consumers.names)
        keepOnly(document.listeners?.map(\.name), .listener, of: before.listeners.names)
        keepOnly(document.serviceSources?.map(\.name), .serviceSource, of: before.serviceSources.names)
        keepOnly(document.proxyServers?.map(\.name), .proxyServer, of: before.proxyServers.names)
        keepOnly(document.tlsCertificates?.map(\.name), .certificate, of: before.certificates.names)
    }

    /// Of what the document has, and of what is left over from before and refers to something that is gone.
    private static func references(of draft: Draft, _ document: Console.ConfigurationDocument) -> Findings {
        var findings = Findings()
        let after = draft.configuration
        for (index, source) in (document.serviceSources ?? []).enumerated() {
            findings.add(after.checkReferences(of: source), at: "serviceSources[\(index)]")
        }
        for (index, listener) in (document.listeners ?? []).enumerated() {
            findings.add(after.checkReferences(of: listener), at: "listeners[\(index)]")
        }
        for (index, domain) in (document.domains ?? []).enumerated() {
            findings.add(after.checkReferences(of: domain), at: "domains[\(index)]")
        }
        for (index, route) in (document.routes ?? []).enumerated() {
            findings.add(after.checkReferences(of: route), at: "routes[\(index)]")
        }
        let (routes, domains) = (Set(document.routes?.map(\.name) ?? []), Set(document.domains?.map(\.name) ?? []))
        let sources = Set(document.serviceSources?.map(\.name) ?? [])
        for change in draft.changedResources where change.action != .create {
            switch change.kind {
            case .domain where change.action == .delete:
                refuse(after.users(ofDomain: change.name), "domain", change.name, but: routes, &findings)
            case .consumer where change.action == .delete:
                refuse(after.users(ofConsumer: change.name), "consumer", change.name, but: routes, &findings)
            case .certificate where change.action == .delete:
                refuse(after.users(ofCertificate: change.name), "certificate", change.name, but: domains, &findings)
            case .proxyServer where change.action == .delete:
                refuse(after.users(ofProxyServer: change.name), "proxy server", change.name, but: sources, &findings)
            case .serviceSource:
                // Also where it goes on under another type, and so offers another service.
                guard let old = draft.original.serviceSources[change.name]?.value,
                    after.serviceSource(offering: old.serviceName) == nil
                else { continue }
                refuse(after.users(of: old), "service", old.serviceName, but: routes, &findings)
            default: continue
            }
        }
        return findings
    }

    private static func refuse(
        _ users: [(noun: String, name: String)], _ noun: String, _ name: String, but told: Set<String>,
        _ findings: inout Findings
    ) {
        for user in users where !told.contains(user.name) {
            findings.refuse("", "The \(noun) \(name) would go, but the \(user.noun) \(user.name) uses it.")
        }
    }
}
