// The choice of an endpoint. What a choice needs is laid out when something changes (addresses, ejections): `review`. A pick
// looks at the clock once, and takes its turn.

internal import ConfigModel

/// What the endpoints of a cluster are chosen by.
struct EndpointChoice {
    /// Those that exchanges may be given to now: without the drained, and without the ejected while enough are left.
    /// Room for all.
    var eligible: UnsafeMutableBufferPointer<EndpointPointer> = .allocate(capacity: 0)
    var count = 0
    /// Milliseconds at which time alone changes `eligible`; `.max`: never.
    var reviewAt = UInt64.max
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
        let ours = a.pointee.active &* b.pointee.weight
        return ours <= b.pointee.active &* a.pointee.weight ? a : b
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
        var candidates = 0
        var available = 0
        var next = UInt64.max
        for endpoint in pointee.endpoints where !endpoint.pointee.drains {
            candidates += 1
            if endpoint.pointee.ejectedUntil <= now {
                available += 1
            } else {
                next = min(next, endpoint.pointee.ejectedUntil)
            }
        }
        pointee.choice.reviewAt = next
        // All are ejected: better a doubtful one than none.
        let takesAll = available == 0 && candidates > 0
        var balances: [Int] = []
        var chosen: [EndpointPointer] = []
        for endpoint in pointee.endpoints {
            let place = endpoint.pointee.place
            endpoint.pointee.place = -1
            guard !endpoint.pointee.drains, takesAll || endpoint.pointee.ejectedUntil <= now else { continue }
            balances.append(place < 0 ? 0 : pointee.choice.weights?.balance(at: place) ?? 0)
            endpoint.pointee.place = chosen.count
            chosen.append(endpoint)
        }
        for (place, endpoint) in chosen.enumerated() {
            pointee.choice.eligible.initializeElement(at: place, to: endpoint)
        }
        pointee.choice.count = chosen.count
        pointee.choice.weights?.deallocate()
        let weights = chosen.map(\.pointee.weight)
        pointee.choice.weights =
            weights.contains { $0 != weights[0] } ? SmoothWeights(weights, balances: balances) : nil
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
