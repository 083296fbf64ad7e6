// What about a worker is an alert, and in which words.

import ControlPlane
import Foundation
import Persistence
import Testing

@Suite struct AlertRulesTests {
    /// A worker that serves version 7; `more` are other members of its report.
    private func worker(_ id: String, _ more: String = "") throws -> WorkerReport {
        let report = """
            {"id": "\(id)", "pid": 1, "uid": 0, "incarnation": "1", "softwareVersion": "0", "connectedSince": 0, "state": "serving",
             "servedVersion": 7, "activeConnections": 0, "activeStreams": 0, "degraded": [], "heldBack": []}
            """
        var members = try #require(JSONSerialization.jsonObject(with: Data(report.utf8)) as? [String: Any])
        let others = try JSONSerialization.jsonObject(with: Data("{\(more)}".utf8))
        members.merge(try #require(others as? [String: Any])) { $1 }
        return try JSONDecoder().decode(WorkerReport.self, from: JSONSerialization.data(withJSONObject: members))
    }

    private func alerts(_ workers: [WorkerReport]) -> [Alert] {
        var configuration = StoredConfiguration()
        configuration.version = 7
        return AlertRules(configuration: configuration, workers: workers, now: 0).alerts
    }

    @Test func aWorkerThatServesWhatIsSavedIsNone() throws {
        #expect(alerts([try worker("a"), try worker("b")]).isEmpty)
    }

    @Test func oneThatHandsOverIsNotBehindAndDoesNotCount() throws {
        let old = try worker("a", #""state": "draining", "servedVersion": 6"#)
        #expect(alerts([old, try worker("a")]).isEmpty)
        #expect(alerts([old]).map(\.key.name) == ["WorkerMissing"])
    }

    @Test func theReasonOfARefusalIsTold() throws {
        let refusal =
            #"{"version": 7, "at": 0, "reasons": [{"kind": "route", "name": "greet", "field": "path", "reason": "too long"}]}"#
        let behind = alerts([try worker("a", #""servedVersion": 6, "lastNack": \#(refusal)"#)])
        #expect(behind.map(\.key.name) == ["WorkerBehind"])
        #expect(behind.first?.key.subject == ["worker": "a"])
        #expect(
            behind.first?.description
                == "The worker a serves version 6, version 7 is saved. It refused version 7: route greet, path: too long."
        )
        // One that it has got over explains nothing.
        let old = refusal.replacing(#""version": 7"#, with: #""version": 5"#)
        let other = alerts([try worker("a", #""servedVersion": 6, "lastNack": \#(old)"#)])
        #expect(other.first?.description == "The worker a serves version 6, version 7 is saved.")
    }

    @Test func whatIsHeldBackIsNamedAndCounted() throws {
        let objects = (1...7).map {
            #"{"kind": "route", "name": "r\#($0)", "keepsLastForm": \#($0 == 1), "reasons": [{"reason": "no"}]}"#
        }
        let held = alerts([try worker("a", #""heldBack": [\#(objects.joined(separator: ","))]"#)])
        #expect(held.map(\.severity) == [.warning])
        let text = try #require(held.first?.description)
        #expect(text.contains("route r1 (former form): no; route r2 (left out): no") && text.contains("and 2 more"))
        #expect(!text.contains("r6"))
    }
}
