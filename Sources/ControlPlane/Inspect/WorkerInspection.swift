// What workers tell over their inspection sockets: live streams, metrics, their configuration, their logs. The control plane only
// relays: a worker answers the same to whoever may open its socket, with the control plane away.

import ConsoleModel
import Foundation
import HTTPTypes
import NIOPosix

/// The inspection sockets of this machine's workers.
package struct WorkerInspection: Sendable {
    package let paths: [String]

    package init(paths: [String]) {
        self.paths = paths
    }

    /// One answer of a worker.
    struct Answer: Sendable {
        /// The worker's socket.
        var path: String
        /// The worker's process.
        var process: Int32
        var status: Int
        var fields: [String: String]
        var body: [UInt8]
    }

    static let longestAnswer = 64 << 20

    /// A value as it stands in a query.
    static func encoded(_ value: String) -> String {
        value.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    }

    static let unknownSockets =
        "No worker's inspection socket is known: start the control plane with --inspect-socket PATH."

    /// Asks every worker the same; those that do not answer are named.
    func ask(_ method: String, _ target: String) async -> (answers: [Answer], silent: [String]) {
        await ask(method) { _ in target }
    }

    /// Asks every worker, each by its socket; those that do not answer are named.
    func ask(
        _ method: String, _ target: @Sendable @escaping (String) -> String
    ) async -> (answers: [Answer], silent: [String]) {
        await withTaskGroup(of: (String, Answer?).self) { group in
            for path in paths {
                group.addTask {
                    let answer = try? await NIOThreadPool.singleton.runIfActive {
                        try Self.ask(method, target(path), at: path)
                    }
                    return (path, answer)
                }
            }
            var answers: [Answer] = []
            var silent: [String] = []
            for await (path, answer) in group {
                if let answer { answers.append(answer) } else { silent.append(path) }
            }
            return (answers.sorted { $0.process < $1.process }, silent.sorted())
        }
    }

    /// Asks the worker of that process; `nil`: there is none.
    func ask(_ method: String, _ target: String, process: Int32) async throws -> Answer? {
        try await NIOThreadPool.singleton.runIfActive { [paths] in
            for path in paths {
                if let answer = try Self.ask(method, target, at: path, process: process) { return answer }
            }
            return nil
        }
    }

    /// `nil`: nobody listens there, or not the process that is meant.
    static func ask(
        _ method: String, _ target: String, at path: String, process: Int32? = nil, timeout: Int = 5,
        before deadline: ContinuousClock.Instant? = nil
    ) throws -> Answer? {
        guard let client = try UnixSocketClient.connect(to: path, timeout: timeout) else {
            if process != nil { return nil }
            throw StartError("No worker listens at \(path).")
        }
        let peer = client.peerProcess
        if let process, process != peer { return nil }
        try client.send(Array("\(method) \(target) HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n".utf8))
        return try parse(try client.receive(limit: longestAnswer, before: deadline), process: peer, at: path)
    }

    private static func parse(_ bytes: [UInt8], process: Int32, at path: String) throws -> Answer {
        let separator = Data("\r\n\r\n".utf8)
        let data = Data(bytes)
        guard let end = data.range(of: separator) else { throw StartError("The worker's answer has no head.") }
        let lines = String(decoding: data[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let parts = lines.first?.split(separator: " ") ?? []
        guard parts.count >= 2, let status = Int(parts[1]) else {
            throw StartError("The worker's answer has no status.")
        }
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let sides = line.split(separator: ":", maxSplits: 1)
            if sides.count == 2 { fields[sides[0].lowercased()] = sides[1].trimmingCharacters(in: .whitespaces) }
        }
        return Answer(
            path: path, process: process, status: status, fields: fields, body: Array(data[end.upperBound...]))
    }
}

// MARK: Streams

/// Streams that run, of all workers.
struct LiveStreams: Sendable {
    var streams: [JSONValue] = []
    /// There are more than the limit.
    var more = false
    /// Sockets without an answer.
    var silent: [String] = []
}

extension WorkerInspection {
    static let mostStreams = 1_000

    /// Those that are a second old, of one route or of all; the oldest first.
    func streams(route: String?, limit: Int) async -> LiveStreams {
        var target = "/streams?limit=\(min(limit, Self.mostStreams))"
        if let route {
            target += "&route=" + Self.encoded(route)
        }
        let (answers, silent) = await ask("GET", target)
        var live = LiveStreams(silent: silent)
        for answer in answers {
            guard answer.status == 200 else {
                live.silent.append("process \(answer.process)")
                continue
            }
            if answer.fields["causeway-more"] == "true" { live.more = true }
            for line in answer.body.split(separator: UInt8(ascii: "\n")) {
                // A worker is another process: what it says is data.
                guard case .object(var stream)? = try? JSONDecoder().decode(JSONValue.self, from: Data(line)),
                    case .string(let id)? = stream["id"]
                else { continue }
                stream["id"] = .string("\(answer.process).\(id)")
                stream["worker"] = .string(String(answer.process))
                live.streams.append(.object(stream))
            }
        }
        live.streams.sort { Self.age($0) > Self.age($1) }
        if live.streams.count > limit {
            live.streams = Array(live.streams.prefix(limit))
            live.more = true
        }
        return live
    }

    private static func age(_ stream: JSONValue) -> Int64 {
        if case .integer(let age)? = stream["age_ms"] { age } else { 0 }
    }

    /// Ends one. `false`: it has gone, or never was. The worker's process is part of the id, so that a worker that was started
    /// since cannot lose another stream of that number.
    func end(stream id: String) async throws(Problem) -> Bool {
        let parts = id.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let process = Int32(parts[0]),
            parts[1].allSatisfy({ $0.isASCII && ($0.isNumber || $0 == "-") })
        else { return false }
        let answer: Answer?
        do {
            answer = try await ask("POST", "/streams/\(parts[1])/close", process: process)
        } catch {
            throw Problem(.serviceUnavailable, .workerSilent, "The worker does not answer: \(error)")
        }
        switch answer?.status {
        case nil, 404: return false
        case 200: return true
        default: throw Problem(.serviceUnavailable, .workerSilent, "The worker does not end it now. Try again.")
        }
    }
}
