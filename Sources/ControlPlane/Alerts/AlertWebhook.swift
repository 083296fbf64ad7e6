// Where alerts are sent: an address from a file, in the JSON of a Prometheus Alertmanager webhook, so that what receives those
// receives these, with a `text` besides for chat rooms.

import AsyncHTTPClient
import ConsoleModel
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// Why alerts could not be sent. Never holds the address: it often is a secret.
struct WebhookError: Error, CustomStringConvertible {
    let description: String
}

/// The receiver of alerts. Its file is read at each sending, so that a new address needs no restart.
struct AlertWebhook: Sendable {
    private static let timeout = TimeAmount.seconds(10)
    private static let mostBytes = 4_096
    /// More are counted only.
    static let mostAlerts = 100

    let path: String

    /// What the file says.
    private struct Target {
        var url: String
        var host: String
        /// `Authorization`, from the second line where there is one.
        var authorization: String?
    }

    private func target() throws(WebhookError) -> Target {
        guard let data = FileManager.default.contents(atPath: path), data.count <= Self.mostBytes,
            let text = String(data: data, encoding: .utf8)
        else {
            throw WebhookError(
                description: "--alert-webhook-file \(path) cannot be read as text of at most 4096 bytes.")
        }
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
        guard let first = lines.first, let url = URL(string: first),
            ["http", "https"].contains(url.scheme?.lowercased()),
            let host = url.host(), !host.isEmpty
        else {
            throw WebhookError(description: "The first line of \(path) must be an address with http:// or https://.")
        }
        guard lines.count <= 2, lines.dropFirst().allSatisfy({ $0.lowercased().hasPrefix("authorization:") }) else {
            throw WebhookError(
                description: "\(path) may have a second line, Authorization: and its value, and nothing after it.")
        }
        let authorization = lines.dropFirst().first.map {
            $0.drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces)
        }
        return Target(url: first, host: host, authorization: authorization)
    }

    /// Host of the address, for people; the rest may be a secret.
    func host() throws(WebhookError) -> String { try target().host }

    /// Sends until the receiver has answered with a status of 200 to 299.
    func send(_ message: Message) async throws(WebhookError) {
        let target = try target()
        var request = HTTPClientRequest(url: target.url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "User-Agent", value: "causeway-control/\(ControlPlaneVersion.current)")
        if let authorization = target.authorization {
            request.headers.add(name: "Authorization", value: authorization)
        }
        let status: UInt
        do {
            request.body = .bytes(ByteBuffer(bytes: try ConsoleJSON.encode(message)))
            let answer = try await Self.client.execute(request, timeout: Self.timeout)
            status = answer.status.code
        } catch {
            throw WebhookError(
                description: "The receiver of alerts at \(target.host) does not answer: \(Self.reason(error)).")
        }
        guard (200...299).contains(status) else {
            throw WebhookError(description: "The receiver of alerts at \(target.host) answers \(status).")
        }
    }

    /// In words, without the address.
    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as HTTPClientError: "\(error)".replacing("HTTPClientError.", with: "")
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case let error as NIOConnectionError where error.connectionErrors.isEmpty: "its name is not known"
        case let error as NIOConnectionError: error.connectionErrors.map { reason($0.error) }.joined(separator: ", ")
        default: "\(error)"
        }
    }

    private static let client = {
        var configuration = HTTPClient.Configuration()
        // What redirects to elsewhere is not the receiver that was named.
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: timeout, read: timeout)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()
}

extension AlertWebhook {
    /// Version 4 of the Alertmanager's webhook.
    struct Message: Encodable {
        struct Item: Encodable {
            var status: String
            var labels: [String: String]
            var annotations: [String: String]
            var startsAt: String
            var endsAt: String
            var generatorURL = ""
            var fingerprint: String
        }

        var version = "4"
        var groupKey: String
        var truncatedAlerts: Int
        var status: String
        var receiver = "causeway"
        var groupLabels: [String: String] = [:]
        var commonLabels: [String: String]
        var commonAnnotations: [String: String] = [:]
        var externalURL = ""
        var alerts: [Item]
        var text: String

        /// `ended` with the time of their end, in Unix milliseconds.
        init(firing: [FiringAlert], ended: [FiringAlert] = [], at time: Int64) {
            let machine = Self.machine
            let items =
                firing.map { Self.item($0, until: nil, machine) } + ended.map { Self.item($0, until: time, machine) }
            groupKey = "causeway:\(machine)"
            status = firing.isEmpty ? "resolved" : "firing"
            commonLabels = ["instance": machine]
            alerts = Array(items.prefix(AlertWebhook.mostAlerts))
            truncatedAlerts = items.count - alerts.count
            text = alerts.map { item in
                "[\(item.status)] \(machine): \(item.annotations["summary"] ?? "")\n\(item.annotations["description"] ?? "")"
            }.joined(separator: "\n\n")
        }

        private static func item(_ firing: FiringAlert, until end: Int64?, _ machine: String) -> Item {
            let alert = firing.alert
            var labels = alert.key.subject
            labels["alertname"] = alert.key.name
            labels["severity"] = alert.severity.rawValue
            labels["instance"] = machine
            return Item(
                status: end == nil ? "firing" : "resolved", labels: labels,
                annotations: ["summary": alert.key.text, "description": alert.description],
                startsAt: Timestamp.text(firing.since),
                // What the Alertmanager writes while an alert goes on.
                endsAt: end.map { Timestamp.text($0) } ?? "0001-01-01T00:00:00Z",
                fingerprint: alert.key.fingerprint)
        }

        /// Name of this machine.
        private static let machine = ProcessInfo.processInfo.hostName
    }
}
