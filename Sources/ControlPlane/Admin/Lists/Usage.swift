// Who uses an object, as answers tell it: the first by name, and how many there are. Read-only: it says nothing on the way in.

import ConsoleModel
import Persistence

/// Users of an object.
struct Usage: Encodable {
    private static let shown = 20

    /// As in `route greet`.
    private(set) var usedBy: [String] = []
    private(set) var usedByTotal = 0

    /// Adds those of one kind.
    mutating func add<R: Resource>(_ noun: String, of table: ResourceTable<R>, _ reference: ResourceReference) {
        let free = Self.shown - usedBy.count
        if free > 0 { usedBy += table.users(of: reference, first: free).map { "\(noun) \($0)" } }
        usedByTotal += table.userCount(of: reference)
    }
}

extension StoredConfiguration {
    /// Of the domain that stands for any host those routes that name none.
    func usage(ofDomain name: String) -> Usage {
        var usage = Usage()
        usage.add("route", of: routes, .domain(name))
        return usage
    }

    func usage(ofCertificate name: String) -> Usage {
        var usage = Usage()
        usage.add("domain", of: domains, .certificate(name))
        usage.add("service source", of: serviceSources, .certificate(name))
        return usage
    }

    func usage(ofConsumer name: String) -> Usage {
        var usage = Usage()
        usage.add("route", of: routes, .consumer(name))
        return usage
    }

    func usage(ofProxyServer name: String) -> Usage {
        var usage = Usage()
        usage.add("service source", of: serviceSources, .proxyServer(name))
        return usage
    }

    func usage(ofService name: String) -> Usage {
        var usage = Usage()
        usage.add("route", of: routes, .service(name))
        return usage
    }
}
