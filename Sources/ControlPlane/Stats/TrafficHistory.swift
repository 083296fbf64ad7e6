// The last hour of traffic: what was counted in each 5 seconds of the last 5 minutes, and in each minute of the hour. Rules
// without I/O or clock: readings of workers go in, samples come out. What is kept does not grow with what is configured.

/// What was counted in a stretch of time, by all workers.
package struct TrafficSample: Sendable {
    /// Its end, in milliseconds of the steady clock: the wall clock may be set.
    package var at: Int64
    package var seconds: Double
    package var whole = TrafficCounters()
    /// The highest that was seen.
    package var gauges = TrafficGauges()
    /// The busiest.
    package var routes: [String: TrafficCounters] = [:]
    /// More routes than those had traffic.
    package var leavesOutRoutes = false

    package init(at: Int64, seconds: Double) {
        self.at = at
        self.seconds = seconds
    }

    fileprivate mutating func append(_ later: TrafficSample) {
        at = later.at
        seconds += later.seconds
        whole.add(later.whole)
        gauges.keepHighest(later.gauges)
        routes.merge(later.routes) { mine, theirs in
            var sum = mine
            sum.add(theirs)
            return sum
        }
        leavesOutRoutes = leavesOutRoutes || later.leavesOutRoutes
    }

    fileprivate mutating func keepBusiest() {
        guard routes.count > TrafficHistory.routesKept else { return }
        leavesOutRoutes = true
        let busiest = routes.sorted { ($0.value.requests, $1.key) > ($1.value.requests, $0.key) }
        routes = Dictionary(uniqueKeysWithValues: busiest.prefix(TrafficHistory.routesKept).map { ($0.key, $0.value) })
    }
}

/// The samples, and what is needed for the next one.
package struct TrafficHistory: Sendable {
    /// Routes with series of their own in a sample.
    package static let routesKept = 200
    /// Five minutes.
    private static let recentMilliseconds: Int64 = 300_000
    private static let hourMilliseconds: Int64 = 3_600_000
    private static let minuteSeconds = 60.0

    /// Oldest first.
    package private(set) var recent: [TrafficSample] = []
    /// Oldest first; whole minutes.
    package private(set) var hour: [TrafficSample] = []
    private var minute: TrafficSample?
    /// By the worker's process.
    package private(set) var readings: [Int32: WorkerReading] = [:]
    private var lastAt: Int64?

    package init() {}

    /// Takes one reading of every worker that answered. `wallOffset`: Unix milliseconds when the steady clock was at 0.
    package mutating func take(_ new: [Int32: WorkerReading], at now: Int64, wallOffset: Int64 = 0) {
        defer {
            readings = new
            lastAt = now
            forget(before: now)
        }
        guard let before = lastAt, now > before else { return }
        var sample = TrafficSample(at: now, seconds: Double(now - before) / 1_000)
        var isKnown = false
        for (process, reading) in new {
            guard let earlier = earlier(process, reading, since: before &+ wallOffset) else { continue }
            isKnown = true
            Self.add(reading, since: earlier, to: &sample)
        }
        // One that was away for a reading begins anew: what it counted meanwhile would look like a peak.
        guard isKnown else { return }
        sample.keepBusiest()
        recent.append(sample)
        addToMinute(sample)
    }

    /// The reading to count from; `nil`: there is none. Processes say by the wall clock when they began.
    private func earlier(_ process: Int32, _ reading: WorkerReading, since before: Int64) -> WorkerReading? {
        if let known = readings[process], known.startedAt == reading.startedAt { return known }
        // It began after the last reading: everything that it has counted is of this sample.
        return reading.startedAt * 1_000 >= Double(before) ? WorkerReading() : nil
    }

    private static func add(_ reading: WorkerReading, since earlier: WorkerReading, to sample: inout TrafficSample) {
        var whole = reading.whole.since(earlier.whole)
        // Sums over routes fall when a route goes, so they are made of what each route has counted.
        (whole.classes, whole.grpc, whole.durations) = ([:], [:], Durations())
        for (name, counters) in reading.routes {
            let counted = counters.since(earlier.routes[name] ?? TrafficCounters())
            if counted.isZero { continue }
            whole.classes.merge(counted.classes, uniquingKeysWith: &+)
            whole.grpc.merge(counted.grpc, uniquingKeysWith: &+)
            whole.durations.add(counted.durations)
            sample.routes[name, default: TrafficCounters()].add(counted)
        }
        sample.whole.add(whole)
        sample.gauges.add(reading.gauges)
    }

    private mutating func addToMinute(_ sample: TrafficSample) {
        if minute == nil { minute = sample } else { minute?.append(sample) }
        guard var full = minute, full.seconds >= Self.minuteSeconds else { return }
        full.keepBusiest()
        hour.append(full)
        minute = nil
    }

    private mutating func forget(before now: Int64) {
        recent.removeAll { $0.at <= now - Self.recentMilliseconds }
        hour.removeAll { $0.at <= now - Self.hourMilliseconds }
    }

    /// What the workers that answered last have counted since their start.
    package var totals: (whole: TrafficCounters, routes: [String: TrafficCounters]) {
        var whole = TrafficCounters()
        var routes: [String: TrafficCounters] = [:]
        for reading in readings.values {
            whole.add(reading.whole)
            for (name, counters) in reading.routes { routes[name, default: TrafficCounters()].add(counters) }
        }
        return (whole, routes)
    }
}
