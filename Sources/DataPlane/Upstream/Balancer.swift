// The choice of an endpoint. What a choice needs is laid out when something changes (addresses, ejections): `review`. A pick
// looks at the clock once, and takes its turn.

internal import ConfigModel

/// What the endpoints of a cluster are chosen by.
struct EndpointChoice {
    /// Those that exchanges may be given to now: without the drained, and without the ejected and the unhealthy while enough
    /// are left. Room for all.
    var eligible: UnsafeMutableBufferPointer<EndpointPointer> = .allocate(capacity: 0)
    var count = 0
    /// Milliseconds at which time alone changes `eligible`; `.max`: never.
    var reviewAt = UInt64.max
    /// Too few are fit: all are used.
    var panics = false
    /// Some shares are still growing.
    var isRamping = false
    var turn: Int
    /// Set where weights differ.
    var weights: SmoothWeights?
    /// Some route, or the cluster, balances by hash: the table is kept up to date.
    var usesHash = false
    var table: MaglevTable?
    /// What the table's positions mean.
    var tableEndpoints: UnsafeMutableBufferPointer<EndpointPointer> = .allocate(capacity: 0)

    init(turn: Int) {
        self.turn = turn
    }

    func deallocate() {
        eligible.deallocate()
        weights?.deallocate()
        table?.deallocate()
        tableEndpoints.deallocate()
    }
}

extension ClusterPointer {
    /// An endpoint for one exchange, by the policy of its route or else of the cluster; not the one that has just failed
    /// while there are others. nil: the cluster has none.
    @inline(__always)
    func pick(_ exchange: ExchangePointer) -> EndpointPointer? {
        if pointee.loop.milliseconds >= pointee.choice.reviewAt { review() }
        let count = pointee.choice.count
        guard count > 1 else { return count == 1 ? pointee.choice.eligible[0] : nil }
        let chosen = choose(exchange, exchange.pointee.route?.pointee.balancing ?? pointee.balancing, count)
        guard chosen == exchange.pointee.failedEndpoint else { return chosen }
        let step = 1 + Int(pointee.loop.nextRandom() % UInt64(count - 1))
        return pointee.choice.eligible[(chosen.pointee.place + step) % count]
    }

    /// The endpoint of a session; where that has just failed another one, the same each time.
    func pick(_ exchange: ExchangePointer, session key: UInt64) -> EndpointPointer? {
        if pointee.loop.milliseconds >= pointee.choice.reviewAt { review() }
        let count = pointee.choice.count
        guard count > 1, let chosen = lookUp(key) else { return pick(exchange) }
        guard chosen == exchange.pointee.failedEndpoint else { return chosen }
        let step = 1 + Int(mixed(key) % UInt64(count - 1))
        return pointee.choice.eligible[(chosen.pointee.place + step) % count]
    }

    /// The endpoint of that identity, while exchanges may be given to it.
    func endpoint(_ identity: EndpointIdentity, for exchange: ExchangePointer) -> EndpointPointer? {
        if pointee.loop.milliseconds >= pointee.choice.reviewAt { review() }
        for endpoint in pointee.endpoints where endpoint.pointee.place >= 0 && endpoint.identity == identity {
            return endpoint == exchange.pointee.failedEndpoint ? nil : endpoint
        }
        return nil
    }

    @inline(__always)
    private func choose(_ exchange: ExchangePointer, _ balancing: LoopBalancing, _ count: Int) -> EndpointPointer {
        switch balancing.policy {
        case .roundRobin: break
        case .leastRequest: return lessBusy(count)
        case .random: return atRandom(count)
        case .consistentHash:
            if let key = exchange.hashKey(balancing), let endpoint = lookUp(key) { return endpoint }
        }
        if let weights = pointee.choice.weights { return pointee.choice.eligible[weights.next()] }
        let next = pointee.choice.turn &+ 1
        pointee.choice.turn = next >= count ? 0 : next
        return pointee.choice.eligible[pointee.choice.turn]
    }

    private func atRandom(_ count: Int) -> EndpointPointer {
        let ticket = pointee.loop.nextRandom()
        return pointee.choice.eligible[pointee.choice.weights?.position(of: ticket) ?? Int(ticket % UInt64(count))]
    }

    /// Two by chance, and of these the one with fewer exchanges for its weight. Of two that are equal the first is taken,
    /// so that idle endpoints get shares by weight as well.
    private func lessBusy(_ count: Int) -> EndpointPointer {
        let a = atRandom(count)
        var b = atRandom(count)
        if a == b { b = pointee.choice.eligible[(a.pointee.place + 1) % count] }
        let ours = a.pointee.active &* b.pointee.share
        return ours <= b.pointee.active &* a.pointee.share ? a : b
    }

    /// The endpoint of a key. Where that is not eligible, others by further hashes: only its own keys move.
    private func lookUp(_ key: UInt64) -> EndpointPointer? {
        guard let table = pointee.choice.table else { return nil }
        var hash = key
        for _ in 0..<16 {
            let endpoint = pointee.choice.tableEndpoints[table.lookUp(hash)]
            if endpoint.pointee.place >= 0 { return endpoint }
            hash = mixed(hash &+ 1)
        }
        return pointee.choice.eligible[Int(hash % UInt64(pointee.choice.count))]
    }

    // MARK: - What changes the choice

    /// A snapshot brings a route that balances by hash.
    func needsHashTable() {
        guard !pointee.choice.usesHash else { return }
        pointee.choice.usesHash = true
        makeTable()
    }

    func endpointsChanged() {
        pointee.choice.eligible.deallocate()
        pointee.choice.eligible = .allocate(capacity: pointee.endpoints.count)
        pointee.choice.count = 0
        // Balances belong to places that mean other endpoints now.
        pointee.choice.weights?.deallocate()
        pointee.choice.weights = nil
        review()
        if pointee.choice.usesHash { makeTable() }
    }

    /// Lays the choice out anew.
    func review() {
        let now = pointee.loop.milliseconds
        pointee.choice.reviewAt = .max
        var candidates = 0
        var fit = 0
        for endpoint in pointee.endpoints where !endpoint.pointee.drains {
            candidates += 1
            if isFit(endpoint, now) { fit += 1 }
        }
        // Too few are left to carry everything: better all of them, doubtful ones included, than an overload of the few.
        let panics = fit * 100 < candidates * Int(pointee.config.panicThreshold)
        if panics, !pointee.choice.panics { pointee.loop.pointee.statistics.panics.increment() }
        pointee.choice.panics = panics
        let isRamping = setShares(now)
        var balances: [Int] = []
        var chosen: [EndpointPointer] = []
        for endpoint in pointee.endpoints {
            let place = endpoint.pointee.place
            endpoint.pointee.place = -1
            guard !endpoint.pointee.drains, panics || isFit(endpoint, now) else { continue }
            balances.append(place < 0 ? 0 : pointee.choice.weights?.balance(at: place) ?? 0)
            endpoint.pointee.place = chosen.count
            chosen.append(endpoint)
        }
        for (place, endpoint) in chosen.enumerated() {
            pointee.choice.eligible.initializeElement(at: place, to: endpoint)
        }
        pointee.choice.count = chosen.count
        pointee.choice.weights?.deallocate()
        let shares = chosen.map(\.pointee.share)
        // Balances are in the unit of the shares, which a ramp changes.
        let keepsBalances = isRamping == pointee.choice.isRamping
        pointee.choice.isRamping = isRamping
        pointee.choice.weights =
            shares.contains { $0 != shares[0] } ? SmoothWeights(shares, balances: keepsBalances ? balances : []) : nil
    }

    private func isFit(_ endpoint: EndpointPointer, _ now: UInt64) -> Bool {
        guard endpoint.pointee.ejection.until <= now else {
            pointee.choice.reviewAt = min(pointee.choice.reviewAt, endpoint.pointee.ejection.until)
            return false
        }
        return endpoint.pointee.isHealthy
    }

    /// Weights as slow start lets them count now. True: some are still growing.
    private func setShares(_ now: UInt64) -> Bool {
        let window = UInt64(pointee.config.slowStart)
        var isRamping = false
        for endpoint in pointee.endpoints {
            if endpoint.pointee.rampsSince &+ window <= now { endpoint.pointee.rampsSince = 0 }
            isRamping = isRamping || endpoint.pointee.rampsSince > 0
        }
        for endpoint in pointee.endpoints {
            let weight = endpoint.pointee.weight
            let since = endpoint.pointee.rampsSince
            let share = since == 0 ? 1_000 : slowStartShare(since: since, now: now, window: window)
            endpoint.pointee.share = isRamping ? weight * share : weight
        }
        if isRamping { pointee.choice.reviewAt = min(pointee.choice.reviewAt, now + max(50, window / 50)) }
        return isRamping
    }

    /// Whether one more may be put aside.
    func mayEject(now: UInt64) -> Bool {
        let aside = pointee.endpoints.count { $0.pointee.ejection.until > now }
        return aside == 0 || (aside + 1) * 100 <= pointee.endpoints.count * Int(pointee.config.ejection.maxPercent)
    }

    /// Active checks have changed their mind.
    func healthChanged(of name: String, isHealthy: Bool) {
        for endpoint in pointee.endpoints where endpoint.pointee.name.string == name {
            guard endpoint.pointee.isHealthy != isHealthy else { continue }
            endpoint.pointee.isHealthy = isHealthy
            if isHealthy, pointee.config.slowStart > 0 { endpoint.pointee.rampsSince = pointee.loop.milliseconds }
        }
        review()
    }

    /// All endpoints stand in the table: one that is out for a while gets its own keys back, and no other key moves.
    private func makeTable() {
        pointee.choice.table?.deallocate()
        pointee.choice.tableEndpoints.deallocate()
        // The order of addresses (DNS turns them) must not matter.
        let sorted = pointee.endpoints.map { ($0, stableHash($0.pointee.name.bytes)) }.sorted { $0.1 < $1.1 }
        pointee.choice.table = MaglevTable(identities: sorted.map(\.1), weights: sorted.map(\.0.pointee.weight))
        pointee.choice.tableEndpoints = .allocate(capacity: sorted.count)
        _ = pointee.choice.tableEndpoints.initialize(from: sorted.map(\.0))
    }
}
