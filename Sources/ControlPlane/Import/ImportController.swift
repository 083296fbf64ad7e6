// /v1/import/ingress: Kubernetes manifests into the configuration, in one version, with a word on whatever was not taken over as it
// is.

import ConsoleModel
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Persistence

/// Imports of what other gateways were told.
struct ImportController: Sendable {
    let store: Store
    let editor: Editor
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group.post("import/ingress", use: importIngress)
    }

    private func importIngress(_ request: Request, context: AdminContext) async throws -> Response {
        let options = try Self.options(request)
        let (overwrites, isPartial) = (try request.flag("overwrite"), try request.flag("partial"))
        // A query that is wrong is told before a body is read.
        _ = try WaitRequest(request)
        _ = try request.flag("dryRun")
        let bytes = try await request.bytes(limit: bodyLimit * DocumentController.factor)
        let isYAML = request.headers[.contentType]?.lowercased().hasPrefix("application/yaml") ?? false
        let stored = store.configuration
        // Off the event loops: there may be thousands of objects, and each certificate is looked into.
        let (imported, plan) = try await NIOThreadPool.singleton.runIfActive {
            let manifests = try ManifestReader.manifests(
                in: try Self.documents(bytes, isYAML: isYAML), namespace: options.namespace)
            var translation = ImportTranslation(manifests, options: options, stored: stored)
            let imported = translation.run()
            return (imported, Result { try DocumentApply(imported.document, prunes: false) })
        }
        do {
            let refused = imported.remarks.filter { $0.severity == .refused }
            if !refused.isEmpty, !isPartial { throw ImportRefusal.refused(refused, imported) }
            let plan = try plan.get()
            return try await editor.edit(request, context) { draft in
                try plan.run(on: &draft)
                let changes = draft.changedResources
                let different = changes.filter { $0.action == .update }
                if !different.isEmpty, !overwrites { throw ImportRefusal.different(different, changes, imported) }
                return changes
            } previewed: { preview, changes in
                let told = ImportAnswer.Told(imported, changes)
                return try .json(ImportAnswer.Previewed(preview: preview, told: told, warnings: imported.warnings))
            } respond: { edited, held in
                let told = ImportAnswer.Told(imported, edited.answer)
                let answer = ImportAnswer.Imported(
                    version: String(edited.configuration.version), changes: edited.answer, told: told)
                return try .json(Remarked(value: answer, warnings: imported.warnings + held))
            }
        } catch let refusal as ImportRefusal {
            return try refusal.response()
        } catch let problem as Problem where problem.code == .invalidFields {
            return try ImportRefusal(problem: problem, told: ImportAnswer.Told(imported, nil)).response()
        }
    }

    private static func options(_ request: Request) throws(Problem) -> ImportOptions {
        var options = ImportOptions()
        if let text = request.text("ingressClass") {
            options.ingressClasses = Set(text.split(separator: ",").map { String($0).trimmingBlanks })
            options.ingressClasses.remove("")
        }
        for (name, field, isLabel) in [
            ("clusterDomain", \ImportOptions.clusterDomain, false), ("namespace", \.namespace, true),
        ] {
            guard let text = request.text(name) else { continue }
            guard ManifestReader.isHostName(text, isLabel: isLabel) else {
                throw .invalidQuery(
                    name,
                    "Must be \(isLabel ? "a namespace" : "a domain"): small letters, digits and '-'"
                        + (isLabel ? "." : ", with dots."))
            }
            options[keyPath: field] = text
        }
        return options
    }

    private static func documents(_ bytes: [UInt8], isYAML: Bool) throws -> [JSONValue] {
        do {
            if isYAML { return try YAMLText.documents(String(decoding: bytes, as: UTF8.self)) }
            return [try ConsoleJSON.decode(JSONValue.self, from: bytes).value]
        } catch BodyError.malformed(let message) {
            throw Problem(.badRequest, .malformedBody, message)
        } catch BodyError.wrongType(let error) {
            throw Problem.invalid([error])
        }
    }
}
