// The newest lines of the workers' access logs, and those that come from then on.

import ConsoleModel
import Foundation

/// Which lines are wanted; everything that is given must hold.
struct AccessLogFilter: Sendable {
    var route: String?
    var authority: String?
    /// A status, or a class as in `5xx`.
    var status: String?
    /// A response flag; `any`: whatever flag.
    var flag: String?
    /// Stands somewhere in the line.
    var text: String?

    static func isStatus(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count == 3, (UInt8(ascii: "1")...UInt8(ascii: "5")).contains(bytes[0]) else { return false }
        return text.hasSuffix("xx") || bytes.dropFirst().allSatisfy { (48...57).contains($0) }
    }

    func takes(_ line: [String: JSONValue]) -> Bool {
        if let route, line["route"] != .string(route) { return false }
        if let authority, line["authority"] != .string(authority) { return false }
        if let flag {
            guard case .string(let own)? = line["flag"], flag == "any" ? own != "-" : own == flag else { return false }
        }
        if let status {
            guard case .integer(let own)? = line["status"] else { return false }
            if status.hasSuffix("xx") ? String(own).first != status.first : String(own) != status { return false }
        }
        return true
    }
}

/// Reads the workers' lines, and goes on where it was.
struct AccessLogTail: Sendable {
    let inspection: WorkerInspection
    let filter: AccessLogFilter
    /// Where each worker's lines go on, by socket.
    private var places: [String: String] = [:]

    init(_ inspection: WorkerInspection, _ filter: AccessLogFilter) {
        self.inspection = inspection
        self.filter = filter
    }

    struct Lines {
        /// The oldest first.
        var lines: [JSONValue] = []
        /// More came than a worker keeps.
        var hasGap = false
        var warnings: [String] = []
    }

    mutating func read() async -> Lines {
        let (answers, silent) = await inspection.ask("GET") { [places] path in
            "/access-log" + (places[path].map { "?after=\($0)" } ?? "")
        }
        var read = Lines()
        var found: [(time: String, line: JSONValue)] = []
        for answer in answers where answer.status == 200 {
            if places[answer.path] == nil, answer.fields["causeway-written"] == "false" {
                read.warnings.append(
                    "The worker \(answer.process) writes no access log (--access-log): its lines are made while somebody"
                        + " looks on, from now on.")
            }
            places[answer.path] = answer.fields["causeway-next"]
            if answer.fields["causeway-whole"] != "true" { read.hasGap = true }
            for raw in answer.body.split(separator: UInt8(ascii: "\n")) {
                // Before it is taken apart, which costs more.
                if let text = filter.text, !raw.contains(text.utf8) { continue }
                guard case .object(var line)? = try? JSONDecoder().decode(JSONValue.self, from: Data(raw)),
                    filter.takes(line), case .string(let time)? = line["ts"]
                else { continue }
                line["worker"] = .string(String(answer.process))
                found.append((time, .object(line)))
            }
        }
        // Loops hand their lines over each in its own time.
        found.sort { $0.time < $1.time }
        read.lines = found.map(\.line)
        for path in silent { read.warnings.append("The worker at \(path) does not answer: its lines are missing.") }
        for answer in answers where answer.status != 200 {
            read.warnings.append("The worker \(answer.process) tells no lines (\(answer.status)): is it an older one?")
        }
        if inspection.paths.isEmpty { read.warnings.append(WorkerInspection.unknownSockets) }
        return read
    }
}
