// What becomes of an endpoint by the results of its checks, and by the failures of real traffic. Rules only: no clock, no
// socket.

package import ConfigModel

/// By active checks. An endpoint begins as healthy; only its very first check takes that away at once.
package struct HealthState {
    package private(set) var isHealthy = true
    private var isFirst = true
    private var passed: UInt32 = 0
    private var failed: UInt32 = 0

    package init() {}

    package enum OnChecked: Equatable {
        case unchanged
        case becameHealthy
        case becameUnhealthy
    }

    package mutating func checked(passed ok: Bool, _ config: HealthCheck) -> OnChecked {
        defer { isFirst = false }
        if ok {
            failed = 0
            passed = passed &+ 1
            guard !isHealthy, passed >= config.healthyThreshold else { return .unchanged }
            isHealthy = true
            return .becameHealthy
        }
        passed = 0
        failed = failed &+ 1
        guard isHealthy, isFirst || failed >= config.unhealthyThreshold else { return .unchanged }
        isHealthy = false
        return .becameUnhealthy
    }
}

/// By real traffic. Times in milliseconds.
package struct EjectionState {
    /// Aside before it; 0: has never been.
    package private(set) var until: UInt64 = 0
    private var failures: UInt32 = 0
    private var repeats: UInt64 = 0
    private var lastTime: UInt64 = 0

    package init() {}

    /// When it was put aside for the last time.
    package var since: UInt64 { until - lastTime }

    /// Counts a failure. True: it is time to eject; the caller decides whether that many may be aside, and calls `eject`.
    package mutating func failed(_ config: Ejection) -> Bool {
        guard config.failures > 0 else { return false }
        failures = failures &+ 1
        guard failures >= config.failures else { return false }
        failures = 0
        return true
    }

    package mutating func succeeded() { failures = 0 }

    /// Each time in a row is longer by the base time. Who has then stayed for twice as long as it was away begins anew.
    package mutating func eject(now: UInt64, _ config: Ejection) {
        guard until <= now else { return }
        if now >= until &+ 2 &* lastTime { repeats = 0 }
        repeats += 1
        lastTime = min(UInt64(config.baseTime) &* repeats, UInt64(max(config.baseTime, config.maxTime)))
        until = now &+ lastTime
    }
}

/// The share of its weight that an endpoint gets, in thousandths: it grows evenly from a tenth to the whole.
package func slowStartShare(since start: UInt64, now: UInt64, window: UInt64) -> Int {
    guard window > 0, now < start &+ window else { return 1_000 }
    guard now > start else { return 100 }
    return max(100, Int((now - start) * 1_000 / window))
}
