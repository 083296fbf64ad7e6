// How TLS is spoken at a domain: as its own fields say, and where they say nothing as the annotations of its routes do, those of the
// oldest route that has any.

import ConsoleModel
import Persistence
import TLSMaterial

extension StoredConfiguration {
    /// Versions and cipher suites that hold at a domain; `nil`: what is usual.
    func tls(of domain: Console.Domain) -> Console.Domain.TLS? {
        guard let annotated = annotatingRoute(of: domain.name)?.annotatedTLS else { return domain.tls }
        var tls = domain.tls ?? Console.Domain.TLS()
        tls.minVersion = tls.minVersion ?? annotated.minVersion
        tls.maxVersion = tls.maxVersion ?? annotated.maxVersion
        // Each as it was asked for, together none is left: the domain's own counts.
        if tls.minVersion == "1.3", tls.maxVersion == "1.2" {
            tls.minVersion = domain.tls?.minVersion
            tls.maxVersion = domain.tls?.maxVersion
        }
        tls.cipherSuites = tls.cipherSuites ?? annotated.cipherSuites
        return tls
    }

    private func annotatingRoute(of domain: String) -> Console.Route? {
        routes.users(of: .tls(domain)).compactMap { routes[$0] }.min { $0.id < $1.id }?.value
    }

    /// Where annotations about TLS have no effect, because the domain or an older route says something else.
    func tlsRemarks(on route: Console.Route) -> [String] {
        guard let annotated = route.annotatedTLS else { return [] }
        var remarks: [String] = []
        for domain in route.servedDomains.compactMap({ domains[$0]?.value }) {
            if let older = annotatingRoute(of: domain.name), older.name != route.name, older.annotatedTLS != annotated {
                remarks.append("customConfigs: the route \(older.name) says first how TLS is spoken at \(domain.name).")
            } else if tls(of: domain).map({ !$0.says(annotated) }) ?? false {
                remarks.append(
                    "customConfigs: tls of the domain \(domain.name) says otherwise how TLS is spoken there.")
            }
        }
        return remarks
    }

    /// Cipher suites of the annotations that OpenSSL does not have.
    static func checkCipherSuites(of route: Console.Route, _ findings: inout Findings) {
        guard let key = route.cipherAnnotation, let suites = route.annotatedTLS?.cipherSuites,
            let problem = CipherSuites.problem(suites)
        else { return }
        findings.refuse("customConfigs[\(key)]", "\(problem).")
    }
}

extension Console.Domain.TLS {
    /// Whether everything that the other says is so here.
    fileprivate func says(_ other: Self) -> Bool {
        (other.minVersion == nil || minVersion == other.minVersion)
            && (other.maxVersion == nil || maxVersion == other.maxVersion)
            && (other.cipherSuites == nil || cipherSuites == other.cipherSuites)
    }
}
