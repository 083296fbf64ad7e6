// Watches for alerts, logs when one begins and ends, and tells the webhook until it has heard.

import ConsoleModel
import HTTPTypes
import Logging
import Persistence
import ServiceLifecycle

/// The alerts as they are.
package actor AlertWatch: Service {
    private static let interval = Duration.seconds(5)
    /// Between two tries to reach the webhook, in milliseconds: doubled from the first up to the last.
    private static let pauses: ClosedRange<Int64> = 5_000...600_000

    private let store: Store
    private let publisher: Publisher
    private let webhook: AlertWebhook?
    private let adminCertificate: AdminCertificate?
    /// Milliseconds for which what may pass must have held.
    private let patience: Int64
    private let logger: Logger

    /// What holds, and of the steady clock since when.
    private var holding: [Alert.Key: (alert: Alert, since: Int64)] = [:]
    private var firing: [Alert.Key: FiringAlert] = [:]
    /// What the webhook has heard of, as it has heard it.
    private var told: [Alert.Key: FiringAlert] = [:]
    private var delivery = Delivery()

    /// How the webhook is reached.
    private struct Delivery {
        /// Unix milliseconds.
        var lastSuccess: Int64?
        var lastError: String?
        /// Of the steady clock.
        var nextTry: Int64 = 0
        var pause = AlertWatch.pauses.lowerBound
        var count: UInt64 = 0
        var failures: UInt64 = 0
    }

    /// What is watched beside the store and the workers, and how.
    struct Options {
        /// File with the address of the webhook.
        var webhookFile: String?
        /// Seconds for which something about a worker must hold.
        var patience = 30
        /// The certificate of the admin listener.
        var adminCertificate: AdminCertificate?
    }

    init(_ options: Options, store: Store, publisher: Publisher, logger: Logger) {
        self.store = store
        self.publisher = publisher
        webhook = options.webhookFile.map { AlertWebhook(path: $0) }
        patience = Int64(options.patience) * 1_000
        adminCertificate = options.adminCertificate
        self.logger = logger
    }

    /// Watches until it is cancelled.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.look()
                await self.tell()
                try? await Task.sleep(for: min(Self.interval, .milliseconds(max(self.patience / 2, 100))))
            }
        }
    }

    // MARK: looking

    private func look() async {
        let workers = await publisher.report()
        let wall = WallClock.milliseconds()
        let now = SteadyClock.milliseconds()
        let rules = AlertRules(
            configuration: store.configuration, workers: workers, now: wall / 1_000,
            adminCertificate: adminCertificate?.name, adminExpiry: adminCertificate?.fileExpiry)
        var held: [Alert.Key: (alert: Alert, since: Int64)] = [:]
        for alert in rules.alerts {
            let before = holding[alert.key].flatMap {
                firing[alert.key] != nil || $0.alert.progress == alert.progress ? $0 : nil
            }
            held[alert.key] = (alert, before?.since ?? now)
        }
        holding = held
        for (key, (alert, since)) in held {
            if let known = firing[key] {
                firing[key]?.alert = alert
                if known.alert.stage != alert.stage { log(alert, "an alert grows") }
            } else if !alert.mayPass || now - since >= patience {
                firing[key] = FiringAlert(alert: alert, since: wall - (now - since))
                log(alert, "an alert begins")
            }
        }
        for key in firing.keys where held[key] == nil {
            firing[key] = nil
            logger.notice("an alert is over", metadata: ["alert": "\(key.text)"])
        }
    }

    private func log(_ alert: Alert, _ message: Logger.Message) {
        logger.log(
            level: alert.severity == .critical ? .error : .warning, message,
            metadata: ["alert": "\(alert.key.text)", "description": "\(alert.description)"])
    }

    // MARK: telling

    private func tell() async {
        guard let webhook, SteadyClock.milliseconds() >= delivery.nextTry else { return }
        let now = firing
        let news = now.filter { told[$0.key]?.alert.stage != $0.value.alert.stage }.values
        let ended = told.filter { now[$0.key] == nil }.values
        guard !news.isEmpty || !ended.isEmpty else { return }
        do {
            try await send(
                .init(firing: Self.sorted(news), ended: Self.sorted(ended), at: WallClock.milliseconds()), to: webhook)
            told = now
            delivery.nextTry = 0
            delivery.pause = Self.pauses.lowerBound
        } catch {
            delivery.nextTry = SteadyClock.milliseconds() + delivery.pause
            delivery.pause = min(delivery.pause * 2, Self.pauses.upperBound)
        }
    }

    private func send(_ message: AlertWebhook.Message, to webhook: AlertWebhook) async throws(WebhookError) {
        do {
            try await webhook.send(message)
            delivery.lastSuccess = WallClock.milliseconds()
            delivery.lastError = nil
            delivery.count += 1
        } catch {
            if delivery.lastError != error.description {
                logger.error("alerts are not delivered", metadata: ["reason": "\(error)"])
            }
            delivery.lastError = error.description
            delivery.failures += 1
            throw error
        }
    }

    private static func sorted(_ alerts: some Sequence<FiringAlert>) -> [FiringAlert] {
        alerts.sorted { ($0.since, $0.alert.key.text) < ($1.since, $1.alert.key.text) }
    }

    // MARK: showing

    /// What people are told of now, the oldest first.
    func alerts() -> [FiringAlert] { Self.sorted(firing.values) }

    /// The state of the webhook; `nil`: there is none.
    func webhookState() -> WebhookState? {
        guard let webhook else { return nil }
        let host = try? webhook.host()
        return WebhookState(
            host: host, lastSuccess: delivery.lastSuccess.map { Timestamp.text($0) }, lastError: delivery.lastError)
    }

    /// Messages that arrived, and that did not; `nil`: there is no webhook.
    var deliveries: (succeeded: UInt64, failed: UInt64)? { webhook.map { _ in (delivery.count, delivery.failures) } }

    /// Sends a message that says that it is a test.
    func test() async throws(Problem) {
        guard let webhook else {
            throw Problem(
                .conflict, .noWebhook, "There is no webhook: start the control plane with --alert-webhook-file FILE.")
        }
        var alert = Alert(
            "Test", .warning, "Somebody has asked for this message, to see that it arrives. Nothing is wrong.")
        alert.mayPass = false
        let now = WallClock.milliseconds()
        do {
            try await send(.init(firing: [FiringAlert(alert: alert, since: now)], at: now), to: webhook)
        } catch {
            throw Problem(.badGateway, .webhook, error.description)
        }
    }
}

/// How the receiver of alerts was reached.
struct WebhookState: Encodable, Sendable {
    @JSONField var host: String?
    @JSONField var lastSuccess: String?
    @JSONField var lastError: String?
}
