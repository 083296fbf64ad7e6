// The process log: fields, levels, metadata of every kind, and text that tries to break the line.

import Foundation
import Logging
import Synchronization
import Telemetry
import Testing

@Suite struct JSONLinesLogHandlerTests {
    /// Collects lines in place of standard error.
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])

        var all: [String] { lines.withLock { $0 } }

        func logger(_ threshold: LogThreshold = LogThreshold(.info)) -> Logger {
            Logger(label: "test") { label in
                JSONLinesLogHandler(label: label, threshold: threshold) { line in
                    let text = String(decoding: line, as: UTF8.self)
                    self.lines.withLock { $0.append(text) }
                }
            }
        }

        func parsed() throws -> [[String: Any]] {
            try all.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:] }
        }
    }

    @Test func metadataAreFieldsOfTheLineAndKeepTheirTypes() throws {
        let lines = Lines()
        lines.logger().info(
            "admin listening",
            metadata: [
                "port": .stringConvertible(8080), "ready": .stringConvertible(true), "load": .stringConvertible(0.5),
                "name": "a\"b", "list": ["x", .stringConvertible(1)], "map": ["k": "v"],
                "nan": .stringConvertible(Double.nan),
            ])
        let line = try #require(lines.all.first)
        #expect(line.hasPrefix("{\"ts\":\"20"))
        #expect(
            line.hasSuffix(
                #"""
                "level":"info","label":"test","message":"admin listening","list":["x",1],"load":0.5,"map":{"k":"v"},"name":"a\"b","nan":"nan","port":8080,"ready":true}

                """#))
        #expect(try lines.parsed().count == 1)
    }

    @Test func namesOfItsOwnFieldsAreNotOverwritten() throws {
        let lines = Lines()
        lines.logger().warning("m", metadata: ["ts": "1", "level": "x", "label": "y", "message": "z", "error": "e"])
        let line = try #require(try lines.parsed().first)
        #expect(line["message"] as? String == "m")
        #expect(line["level"] as? String == "warning")
        #expect(line["metadata.message"] as? String == "z")
        #expect(line["metadata.error"] as? String == "e")
        #expect(line.count == 9)
    }

    @Test func theNearestMetadataWins() throws {
        let lines = Lines()
        var logger = lines.logger()
        logger[metadataKey: "a"] = "logger"
        logger[metadataKey: "b"] = "logger"
        logger.info("m", metadata: ["b": "call"])
        let line = try #require(try lines.parsed().first)
        #expect(line["a"] as? String == "logger")
        #expect(line["b"] as? String == "call")
    }

    /// Stands for a type that prints as something else than it holds.
    private struct Redacted: CustomStringConvertible, Sendable {
        let bytes = "hunter2"
        var description: String { "[redacted]" }
    }

    @Test func secretsAndControlCharactersDoNotShow() throws {
        let lines = Lines()
        lines.logger().error("bad\nline\u{1b}[2J", metadata: ["key": .stringConvertible(Redacted())])
        let line = try #require(lines.all.first)
        #expect(line.contains(#""message":"bad\nline\u001b[2J""#))
        #expect(line.contains(#""key":"[redacted]""#))
        #expect(line.filter { $0 == "\n" }.count == 1)
    }

    @Test func errorsAreAFieldOfTheirOwn() throws {
        struct Broken: Error {}
        let lines = Lines()
        lines.logger().error("m", error: Broken())
        #expect(try lines.parsed().first?["error"] as? String == "Broken()")
    }

    @Test func theThresholdIsSharedUntilALoggerSetsItsOwn() {
        let lines = Lines()
        let threshold = LogThreshold(.info)
        let logger = lines.logger(threshold)
        var own = lines.logger(threshold)
        own.logLevel = .error
        logger.debug("dropped")
        threshold.level = .debug
        #expect(threshold.level == .debug)
        logger.debug("kept")
        own.warning("dropped")
        own.error("kept as well")
        #expect(lines.all.count == 2)
    }
}
