// /v1/tls-certificates: PEM or PKCS#12 is parsed when it comes in, stored in normal form, and never given out.

import ConsoleModel
import Foundation
import HTTPTypes
import Hummingbird
import NIOPosix
import Persistence
import Seal
import TLSMaterial

/// Certificates.
struct CertificateController: Sendable {
    let store: Store
    let editor: Editor
    let bodyLimit: Int
    /// The one that the admin listener shows.
    let adminCertificate: String?

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .post(use: create)
            .get("{name}", use: show)
            .put("{name}", use: replace)
            .delete("{name}", use: remove)
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        let query = try ListQuery(request, Self.shape(in: configuration))
        guard let text = request.text("expiringWithin") else {
            return try .json(await query.page(of: configuration.certificates) { Self.answer($0, in: configuration) })
        }
        guard let seconds = Self.seconds(text) else {
            throw Problem.invalidQuery("expiringWithin", "Must be a time as in 30d or 12h.")
        }
        // With the chain: clients refuse a leaf whose issuer has expired.
        let end = WallClock.milliseconds() / 1_000 + seconds
        let soon = configuration.certificates.values.map { ($0.value, $0.value.facts.wholeExpiry) }
            .filter { $0.1 <= end }.sorted { ($0.1, $0.0.name) < ($1.1, $1.0.name) }.map(\.0)
        return try .json(await query.page(of: soon) { Self.answer($0, in: configuration) })
    }

    private static func shape(in configuration: StoredConfiguration) -> ListShape<StoredCertificate> {
        ListShape([
            "name": .text(\.name), "domains": .texts(\.facts.names), "keyType": .text(\.facts.keyDescription),
            "expires": .number(\.facts.wholeExpiry),
            "usedBy": .number { certificate in
                let reference = ResourceReference.certificate(certificate.name)
                return Int64(
                    configuration.domains.userCount(of: reference)
                        + configuration.serviceSources.userCount(of: reference))
            },
        ]) { certificate in
            let facts = certificate.facts
            return [certificate.name, facts.keyDescription, Console.Certificate.text(ofTime: facts.notAfter)]
                + facts.names
        }
    }

    /// Of days or hours, up to a hundred years.
    private static func seconds(_ text: String) -> Int64? {
        let digits = text.dropLast()
        guard let unit = text.last, (1...6).contains(digits.count), digits.allSatisfy({ $0.isASCII && $0.isNumber }),
            let count = Int64(digits), count <= 876_000
        else { return nil }
        switch unit {
        case "d": return min(count, 36_500) * 86_400
        case "h": return count * 3_600
        default: return nil
        }
    }

    private func create(_ request: Request, context: AdminContext) async throws -> Response {
        var (upload, warnings) = try await request.model(Console.Certificate.self, limit: bodyLimit)
        upload.normalize()
        try upload.check(creating: true).throwIfRefused()
        // Unreachable `nil`: the rules have just required both parts.
        guard let read = try await Self.read(upload) else { throw Problem.invalid("cert", "Is required.") }
        return try await editor.edit(request, context) { draft in
            if draft.configuration.certificates[read.certificate.name] != nil {
                throw Problem.duplicate("certificate", read.certificate.name)
            }
            return draft.put(read.certificate)
        } previewed: { preview, certificate in
            try Self.answer(preview, of: certificate, warnings + read.warnings)
        } respond: { edited, held in
            try .json(
                Self.answer(edited.answer, in: edited.configuration, warnings + read.warnings + held), status: .created)
        }
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        guard let certificate = configuration.certificates[try context.name()]?.value else { return .missing }
        return try .json(Envelope(Self.answer(certificate, in: configuration)))
    }

    private func replace(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        var (upload, warnings) = try await request.model(Console.Certificate.self, limit: bodyLimit)
        // The path names it, whatever the body says, as in Higress.
        if upload.name != name, !upload.name.isEmpty { warnings.append("name: is \(name), as in the path.") }
        upload.name = name
        upload.normalize()
        if store.configuration.certificates[name] == nil { throw Problem.unknown("certificate", name) }
        try upload.check(creating: false).throwIfRefused()
        let read = try await Self.read(upload)
        let told = warnings + (read?.warnings ?? [])
        return try await editor.edit(request, context) { [upload] draft in
            guard let current = draft.configuration.certificates[name]?.value else {
                throw Problem.unknown("certificate", name)
            }
            try checkVersion("certificate", name, given: upload.version, current: current.version)
            return draft.put(read?.certificate ?? current)
        } previewed: { preview, certificate in
            try Self.answer(preview, of: certificate, told)
        } respond: { edited, held in
            try .json(Self.answer(edited.answer, in: edited.configuration, told + held))
        }
    }

    private func remove(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        return try await editor.edit(request, context) { draft in
            if draft.configuration.certificates[name] == nil { throw Problem.unknown("certificate", name) }
            let users = draft.configuration.users(ofCertificate: name)
            if !users.isEmpty { throw Problem.inUse("certificate", name, by: users) }
            if name == adminCertificate {
                throw Problem(
                    .conflict, .inUse, "The admin listener shows the certificate \(name) (--admin-certificate-name).")
            }
            draft.remove(StoredCertificate.self, named: name)
        } respond: { _, _ in
            Response(status: .noContent)
        }
    }

    /// What an upload holds.
    struct Inspected: Sendable {
        var certificate: StoredCertificate
        var hints: [ChainHint]

        /// To whoever uploads this one. What stays so is among the weaknesses of the certificate, which are told anyway.
        var warnings: [String] { hints.filter { !$0.isLasting }.map { "cert: \($0)." } }
    }

    /// Off the event loops: a passphrase costs a while.
    private static func read(_ upload: Console.Certificate) async throws -> Inspected? {
        try await NIOThreadPool.singleton.runIfActive { try inspect(upload) }
    }

    /// What is in the PEM or the PKCS#12 file, or `nil` when none was given; what the worker could not serve is 400 with field and
    /// reason.
    static func inspect(_ upload: Console.Certificate) throws(Problem) -> Inspected? {
        let passphrase = upload.passphrase.map { Secret($0.value) }
        let inspection: CertificateInspection
        do throws(TLSMaterialError) {
            if let file = upload.pkcs12 {
                // Line ends are what `base64` and people's editors put in.
                guard let bytes = Data(base64Encoded: file.value.filter { !$0.isWhitespace }) else {
                    throw TLSMaterialError(.pkcs12, "must be the file in base64")
                }
                inspection = try CertificateInspection.inspect(pkcs12: Secret(Array(bytes)), passphrase: passphrase)
            } else if let certificate = upload.cert, let key = upload.key {
                inspection = try CertificateInspection.inspect(
                    certificatePEM: certificate, keyPEM: Secret(key.value), passphrase: passphrase)
            } else {
                return nil
            }
        } catch {
            throw Problem.invalid(error.field.rawValue, error.sentence)
        }
        let facts = inspection.facts
        let stored = StoredCertificate(
            name: upload.name, chain: inspection.chainPEM, privateKey: inspection.keyPEM,
            facts: StoredCertificate.Facts(
                names: facts.names, hasSAN: facts.hasSAN, notBefore: facts.notBefore, notAfter: facts.notAfter,
                keyDescription: facts.keyDescription, selfSigned: facts.selfSigned, fingerprint: facts.fingerprint.hex,
                chainExpiry: facts.chainExpiry.map { .init(subject: $0.subject, notAfter: $0.notAfter) },
                weaknesses: facts.weaknesses.map(words) + inspection.hints.filter(\.isLasting).map(\.description)))
        return Inspected(certificate: stored, hints: inspection.hints)
    }

    /// What a dry run tells: what would change, and what there is to say about what was given.
    private static func answer(
        _ preview: Preview, of certificate: StoredCertificate, _ warnings: [String]
    ) throws -> Response {
        try .json(Envelope(Remarked(value: preview, warnings: warnings + remarks(certificate))))
    }

    private static func remarks(_ certificate: StoredCertificate) -> [String] {
        certificate.facts.remarks(at: WallClock.milliseconds() / 1_000).map { "cert: \($0)." }
    }

    private static func answer(
        _ certificate: StoredCertificate, in configuration: StoredConfiguration, _ warnings: [String] = []
    ) -> Remarked<Console.Certificate> {
        var shown = Console.Certificate()
        shown.name = certificate.name
        shown.version = certificate.version
        shown.domains = certificate.facts.names
        shown.validityStart = Console.Certificate.text(ofTime: certificate.facts.notBefore)
        shown.validityEnd = Console.Certificate.text(ofTime: certificate.facts.notAfter)
        shown.fingerprint = certificate.facts.fingerprint
        shown.keyType = certificate.facts.keyDescription
        return Remarked(
            value: shown, usage: configuration.usage(ofCertificate: certificate.name),
            warnings: warnings + remarks(certificate))
    }

    private static func words(for weakness: CertificateWarning) -> String {
        switch weakness {
        case .noSAN:
            "the certificate has no subject alternative name (SAN): most clients refuse its names unless they skip verification"
        default: weakness.description
        }
    }
}

extension TLSMaterialError {
    /// The reason as the API says it.
    var sentence: String { reason.prefix(1).uppercased() + reason.dropFirst() + (reason.hasSuffix(".") ? "" : ".") }
}

extension StoredCertificate.Facts {
    /// When the first of the leaf and its chain expires.
    var wholeExpiry: Int64 { min(notAfter, chainExpiry?.notAfter ?? .max) }

    /// What a client would hold against the certificate at this moment.
    func remarks(at now: Int64) -> [String] {
        var remarks: [String] = []
        if now > notAfter { remarks.append("\(CertificateWarning.expired(since: notAfter))") }
        if now < notBefore {
            remarks.append(
                "the certificate is not yet valid, only from \(Console.Certificate.text(ofTime: notBefore)) on")
        }
        if let chain = chainExpiry, now > chain.notAfter {
            remarks.append("\(CertificateWarning.chainExpired(subject: chain.subject, since: chain.notAfter))")
        }
        return remarks + weaknesses
    }
}
