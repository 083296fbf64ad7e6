// How the endpoints of services stand, by the workers' word. Whoever asks is answered in time: a worker that hangs is left out.

import ConfigModel
import ConsoleModel
import Foundation
import NIOPosix
import Persistence

/// Asks the workers about endpoints.
final class EndpointHealth: Sendable {
    /// Services that are asked for at once.
    static let mostServices = 500
    private static let patience = Duration.milliseconds(2_500)
    /// Bytes of names in one question: a worker reads 8 KiB.
    private static let longestNames = 6_000

    /// A thread for each worker: one that hangs keeps nobody from the others. What waits for it until its time is over is not
    /// asked any more.
    private let threads: [String: NIOThreadPool]

    init(inspection: WorkerInspection) {
        threads = Dictionary(
            inspection.paths.map { ($0, NIOThreadPool(numberOfThreads: 1)) }, uniquingKeysWith: { one, _ in one })
        for each in threads.values { each.start() }
    }

    deinit {
        for each in threads.values { each.shutdownGracefully { _ in } }
    }

    /// What a worker says of one address of an endpoint.
    struct View: Decodable, Sendable {
        var cluster: String
        var endpoint: String
        var address: String?
        var state: String
        var reason: String?
        /// Milliseconds until now, and from now on.
        var age: Int64?
        var ejected: Int64?
        /// Thousandths of its weight.
        var share: Int?
        var panics: Bool
        var active: Int
        var connections: Int
        /// The worker's process.
        var process: Int32 = 0

        private enum CodingKeys: String, CodingKey {
            case cluster, endpoint, address, state, reason, share, panics, active, connections
            case age = "since_ms"
            case ejected = "ejected_ms"
        }

        var service: Substring { cluster.prefix(upTo: cluster.lastIndex(of: "/") ?? cluster.endIndex) }
    }

    /// What all of them say.
    struct Reading: Sendable {
        fileprivate(set) var views: [Substring: [View]] = [:]
        fileprivate(set) var warnings: [String] = []
        /// Why nothing is known of any.
        fileprivate(set) var silence: String?
        /// Unix milliseconds.
        fileprivate(set) var at: Int64 = 0
    }

    func read(_ services: [String]) async -> Reading {
        var reading = Reading(at: WallClock.milliseconds())
        if services.isEmpty { return reading }
        guard services.count <= Self.mostServices else {
            reading.silence = "Workers are asked for \(Self.mostServices) services at once: ask for pages of that size."
            return reading
        }
        guard !threads.isEmpty else {
            reading.silence = WorkerInspection.unknownSockets
            return reading
        }
        let (answers, silent) = await ask(Self.targets(services))
        for view in answers { reading.views[view.service, default: []].append(view) }
        reading.warnings = silent.sorted().map {
            "The worker at \($0) does not answer in time: its view of endpoints is missing."
        }
        if silent.count == threads.count { reading.silence = "No worker answers." }
        return reading
    }

    /// Clusters are services as routes of one protocol see them.
    private static func targets(_ services: [String]) -> [String] {
        var targets: [String] = []
        var names = ""
        for service in services {
            let more = BackendProtocol.allCases.map {
                WorkerInspection.encoded(SnapshotCompiler.clusterName(service, $0))
            }.joined(separator: ",")
            if !names.isEmpty, names.utf8.count + more.utf8.count > longestNames {
                targets.append(names)
                names = ""
            }
            names += (names.isEmpty ? "" : ",") + more
        }
        return (targets + [names]).map { "/endpoints?cluster=\($0)" }
    }

    private func ask(_ targets: [String]) async -> (views: [View], silent: [String]) {
        let (answers, continuation) = AsyncStream.makeStream(of: (String, [View]?).self)
        let deadline = ContinuousClock.now + Self.patience
        for (path, thread) in threads {
            Task {
                let views = try? await thread.runIfActive { try Self.ask(targets, at: path, before: deadline) }
                continuation.yield((path, views))
            }
        }
        let end = Task {
            try? await Task.sleep(until: deadline)
            continuation.finish()
        }
        defer { end.cancel() }
        var views: [View] = []
        var silent = Set(threads.keys)
        var left = silent.count
        for await (path, answer) in answers {
            if let answer {
                views += answer
                silent.remove(path)
            }
            left -= 1
            if left == 0 { break }
        }
        return (views, Array(silent))
    }

    private static func ask(
        _ targets: [String], at path: String, before deadline: ContinuousClock.Instant
    ) throws -> [View] {
        var views: [View] = []
        for target in targets {
            guard .now < deadline else { throw StartError("The worker at \(path) takes too long.") }
            guard let answer = try WorkerInspection.ask("GET", target, at: path, timeout: 1, before: deadline),
                answer.status == 200
            else { throw StartError("The worker at \(path) does not know what is asked.") }
            // A worker is another process: what it says is data.
            for line in answer.body.split(separator: UInt8(ascii: "\n")) {
                guard var view = try? JSONDecoder().decode(View.self, from: Data(line)) else { continue }
                view.process = answer.process
                views.append(view)
            }
        }
        return views
    }
}
