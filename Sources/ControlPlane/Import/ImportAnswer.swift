// What an import says: what became of each object, what was not taken over as it is, and why nothing was saved.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence

enum ImportAnswer {
    /// One resource of the import.
    struct Object: Encodable {
        enum Action: String, Encodable {
            case create, update, unchanged
            /// It exists and differs.
            case conflict
        }

        var kind: String
        var name: String
        /// `nil`: not known, because the import was refused before.
        var action: Action?
        var from: [ImportOrigin]

        private enum Key: CodingKey {
            case kind, name, action, from
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(kind, forKey: .kind)
            try container.encode(name, forKey: .name)
            try container.encode(action, forKey: .action)
            try container.encode(from, forKey: .from)
        }
    }

    /// What every answer has once the body could be read.
    struct Told: Encodable, Sendable {
        static let mostRemarks = 10_000

        let objects: [Object]
        let report: [ImportRemark]
        /// Remarks beyond those.
        let moreReport: Int

        /// `changes` is nil where nobody looked what would change.
        init(_ imported: ImportedResources, _ changes: [ResourceChange]?, overwrites: Bool = true) {
            var actions: [String: ResourceChange.Action] = [:]
            for change in changes ?? [] { actions["\(change.kind) \(change.name)"] = change.action }
            objects = imported.objects.map { object in
                let action: Object.Action? =
                    switch actions["\(object.kind) \(object.name)"] {
                    case _ where changes == nil: nil
                    case .create: .create
                    case .update: overwrites ? .update : .conflict
                    case .delete, nil: .unchanged
                    }
                return Object(kind: object.kind.rawValue, name: object.name, action: action, from: object.origins)
            }
            report = Array(imported.remarks.prefix(Self.mostRemarks))
            moreReport = imported.remarks.count - report.count
        }
    }

    struct Imported: Encodable {
        /// The version that it made; the present one when nothing differed.
        var version: String
        var changes: [VersionController.Version.Change]
        var told: Told

        init(version: String, changes: [ResourceChange], told: Told) {
            self.version = version
            self.changes = changes.map { .init(kind: $0.kind.rawValue, name: $0.name, action: $0.action.rawValue) }
            self.told = told
        }

        private enum Key: CodingKey {
            case version, changes
        }

        func encode(to encoder: any Encoder) throws {
            try told.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(version, forKey: .version)
            try container.encode(changes, forKey: .changes)
        }
    }

    /// The preview that every write has, and beside it what an import tells.
    struct Previewed: Encodable {
        var preview: Preview
        var told: Told
        var warnings: [String]

        func encode(to encoder: any Encoder) throws {
            try Envelope(preview, warnings: warnings).encode(to: encoder)
            try told.encode(to: encoder)
        }
    }
}

/// An import that is not done: the error of every write, and beside it what an import tells.
struct ImportRefusal: Error {
    let problem: Problem
    let told: ImportAnswer.Told

    init(problem: Problem, told: ImportAnswer.Told) {
        self.problem = problem
        self.told = told
    }

    static func refused(_ remarks: [ImportRemark], _ imported: ImportedResources) -> ImportRefusal {
        var problem = Problem.invalid(remarks.map(\.error))
        problem.message += " Nothing was saved: mend it, or take what can be taken with partial=true."
        return ImportRefusal(problem: problem, told: .init(imported, nil))
    }

    static func different(
        _ different: [ResourceChange], _ changes: [ResourceChange], _ imported: ImportedResources
    ) -> ImportRefusal {
        let names = different.prefix(5).map { "\($0.kind.rawValue) \($0.name)" }.joined(separator: ", ")
        let rest = different.count > 5 ? " and \(different.count - 5) more" : ""
        let problem = Problem(
            .conflict, .duplicate,
            "Exists already and differs: \(names)\(rest). Nothing was saved; overwrite=true replaces what differs.",
            errors: different.map { FieldError("\($0.kind.rawValue) \($0.name)", "Exists already and differs.") })
        return ImportRefusal(problem: problem, told: .init(imported, changes, overwrites: false))
    }

    private struct Body: Encodable {
        var problem: Problem
        var told: ImportAnswer.Told

        func encode(to encoder: any Encoder) throws {
            try problem.encodeBody(to: encoder)
            try told.encode(to: encoder)
        }
    }

    func response() throws -> Response {
        try .json(Body(problem: problem, told: told), status: problem.status)
    }
}
