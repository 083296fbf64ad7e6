// So many requests a second from one address, and no more: a script in a loop must not keep everybody else from the API.

import Hummingbird
import Synchronization

/// Token buckets of client addresses, each as the time at which it is full again (GCRA). Without a clock: milliseconds are
/// arguments.
package struct RequestRates: Sendable {
    /// Addresses that are remembered; a bucket that is full needs no memory.
    package static let capacity = 10_000

    /// Requests a second; twice as many may come at once.
    private let perSecond: Int
    private var fullAt: [String: Double] = [:]

    package init(perSecond: Int) {
        self.perSecond = perSecond
    }

    package var count: Int { fullAt.count }

    /// Whether one more request of the address may pass.
    package mutating func takes(_ address: String, at now: Double) -> Bool {
        let next = max(fullAt[address] ?? now, now) + 1_000 / Double(perSecond)
        if next - now > 2_000 { return false }
        fullAt[address] = next
        if fullAt.count > Self.capacity { fullAt = fullAt.filter { $0.value > now } }
        // All of them at work: whoever comes on top has to wait, and nobody is forgotten.
        if fullAt.count > Self.capacity {
            fullAt[address] = nil
            return false
        }
        return true
    }
}

/// Refuses what is above the rate of an address.
final class RateMiddleware: RouterMiddleware {
    typealias Context = AdminContext

    private let perSecond: Int
    private let rates: Mutex<RequestRates>

    init(perSecond: Int) {
        self.perSecond = perSecond
        rates = Mutex(RequestRates(perSecond: perSecond))
    }

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        let now = Double(SteadyClock.milliseconds())
        guard rates.withLock({ $0.takes(context.peer.address, at: now) }) else {
            throw Problem(
                .tooManyRequests, .tooManyRequests,
                "More than \(perSecond) requests a second come from \(context.peer.address) (--admin-rate). Wait a second.",
                retryAfter: 1)
        }
        return try await next(request, context)
    }
}
