// The certificate of the admin listener: a stored one, or files. A renewed one is shown from the next handshake on; one that cannot
// be used is told, and the one before goes on.

import Foundation
import Logging
import NIOCore
import NIOSSL
import Persistence
import Seal
import Synchronization
import TLSMaterial

/// Where the admin listener's certificate comes from.
package enum AdminCertificateSource: Hashable, Sendable {
    /// A certificate of the store.
    case stored(String)
    /// PEM files.
    case files(certificate: String, key: String)
}

/// The certificate as it is now.
final class AdminCertificate: Sendable {
    /// Equal as long as nothing has changed: the stored version, or what the file system says of both files.
    private typealias Mark = [String]

    private struct State {
        var mark: Mark
        var identity: NIOSSLContextConfigurationOverride
        /// The form that was told to be unusable.
        var refused: Mark?
    }

    private let source: AdminCertificateSource
    private let store: Store
    private let logger: Logger
    private let state: Mutex<State>

    /// Throws where there is none that can be shown.
    init(_ source: AdminCertificateSource, store: Store, logger: Logger) throws(StartError) {
        self.source = source
        self.store = store
        self.logger = logger
        let mark = Self.mark(source, store)
        state = Mutex(State(mark: mark, identity: try Self.load(source, store)))
    }

    /// TLS 1.2 and 1.3, HTTP/1.1 alone.
    func configuration() -> TLSConfiguration {
        let identity = state.withLock { $0.identity }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: identity.certificateChain ?? [], privateKey: identity.privateKey ?? .file(""))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        configuration.sslContextCallback = { [self] _, promise in promise.succeed(current()) }
        return configuration
    }

    /// Its name in the store, where it is stored.
    var name: String? {
        guard case .stored(let name) = source else { return nil }
        return name
    }

    /// The first end of those in the files, in seconds since 1970; `nil`: it is stored.
    var fileExpiry: Int64? {
        guard case .files = source else { return nil }
        return current().certificateChain?.compactMap { each -> Int64? in
            guard case .certificate(let certificate) = each else { return nil }
            return Int64(certificate.notValidAfter)
        }.min()
    }

    private func current() -> NIOSSLContextConfigurationOverride {
        let mark = Self.mark(source, store)
        return state.withLock { state in
            guard mark != state.mark, mark != state.refused else { return state.identity }
            do {
                state.identity = try Self.load(source, store)
                state.mark = mark
                state.refused = nil
                logger.notice("the admin certificate is renewed")
            } catch {
                // Files that are replaced one after the other do not fit for a moment.
                state.refused = mark
                logger.error("the admin certificate cannot be renewed; the one before is shown on", error: error)
            }
            return state.identity
        }
    }

    private static func mark(_ source: AdminCertificateSource, _ store: Store) -> Mark {
        switch source {
        case .stored(let name):
            // Versions go back where a backup is restored.
            store.configuration.certificates[name].map { [$0.value.version ?? "", $0.value.facts.fingerprint] } ?? []
        case .files(let certificate, let key):
            [certificate, key].map { path in
                let file = (try? FileManager.default.attributesOfItem(atPath: path)) ?? [:]
                let time = (file[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
                return "\(file[.systemFileNumber] ?? 0) \(file[.size] ?? 0) \(time)"
            }
        }
    }

    private static func load(
        _ source: AdminCertificateSource, _ store: Store
    ) throws(StartError) -> NIOSSLContextConfigurationOverride {
        switch source {
        case .stored(let name):
            guard let stored = store.configuration.certificates[name]?.value else {
                throw StartError(
                    "--admin-certificate-name \(name): there is no such certificate. Upload it while the admin API listens on"
                        + " loopback, or name files with --admin-certificate and --admin-key.")
            }
            return try identity(chain: stored.chain, key: stored.privateKey, "--admin-certificate-name \(name)")
        case .files(let certificate, let key):
            let chain = try text("--admin-certificate", certificate)
            let inspected: CertificateInspection
            do {
                inspected = try CertificateInspection.inspect(
                    certificatePEM: chain, keyPEM: Secret(try text("--admin-key", key)), passphrase: nil)
            } catch let error as TLSMaterialError {
                switch error.field {
                case .passphrase:
                    throw StartError("--admin-key \(key): The key is encrypted; it must have no passphrase.")
                case .key: throw StartError("--admin-key \(key): \(error.sentence)")
                default: throw StartError("--admin-certificate \(certificate): \(error.sentence)")
                }
            } catch let error as StartError {
                throw error
            } catch {
                throw StartError("--admin-certificate \(certificate): \(error)")
            }
            return try identity(
                chain: inspected.chainPEM, key: inspected.keyPEM, "--admin-certificate \(certificate)")
        }
    }

    private static func identity(
        chain: String, key: Secret, _ setting: String
    ) throws(StartError) -> NIOSSLContextConfigurationOverride {
        do {
            var identity = NIOSSLContextConfigurationOverride()
            identity.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(chain.utf8)).map { .certificate($0) }
            identity.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: key.bytes, format: .pem))
            return identity
        } catch {
            throw StartError("\(setting): the admin listener cannot use it (\(error)).")
        }
    }

    private static func text(_ setting: String, _ path: String) throws(StartError) -> String {
        guard let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8)
        else { throw StartError("\(setting) \(path) cannot be read.") }
        return text
    }
}
