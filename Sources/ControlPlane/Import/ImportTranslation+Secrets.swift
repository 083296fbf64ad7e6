// Secrets: certificates with their keys, authorities, and what a registry asks for.

import ConsoleModel
import Foundation
import Persistence

extension ImportTranslation {
    /// `[namespace/]name` in an annotation or a field, as the key of a secret.
    static func key(_ reference: String, in namespace: String) -> String {
        reference.contains("/") ? reference : "\(namespace)/\(reference)"
    }

    /// What the secret holds under a name; says what is wrong with it.
    func value(_ name: String, of secret: Manifest) -> String? {
        let plain = secret.root["stringData"][name]
        if plain.isGiven { return plain.text }
        let node = secret.root["data"][name]
        guard let encoded = node.text else { return nil }
        guard let data = Data(base64Encoded: String(encoded.filter { !$0.isWhitespace })),
            let text = String(data: data, encoding: .utf8)
        else {
            node.refuse("Must be text in base64.")
            return nil
        }
        return text
    }

    /// The place of a value, whichever way it is written.
    private func place(_ name: String, of secret: Manifest) -> ManifestNode {
        let plain = secret.root["stringData"][name]
        return plain.isGiven ? plain : secret.root["data"][name]
    }

    /// The name of the certificate that a secret becomes; `nil`: it becomes none, and the secret's remarks say why.
    mutating func certificate(of secret: Manifest) -> String? {
        if let known = certificates[secret.key] { return known?.name }
        certificates[secret.key] = .some(nil)
        secret.root["type"].take()
        var upload = Console.Certificate()
        upload.name = Self.name(secret.namespace, secret.name)
        upload.cert = value("tls.crt", of: secret)
        upload.key = value("tls.key", of: secret).map { Concealed($0) }
        upload.normalize()
        if secret.isRefused { return nil }
        let key = place("tls.key", of: secret)
        let places = ["cert": place("tls.crt", of: secret), "key": key, "passphrase": key]
        var errors = upload.check(creating: true).errors
        if errors.isEmpty {
            do {
                _ = try CertificateController.inspect(upload)
            } catch {
                errors = error.errors
            }
        }
        if !certificateNames.insert(upload.name).inserted {
            errors = [FieldError("name", "Another Secret of the body becomes the certificate \(upload.name), too.")]
        }
        for error in errors { (places[error.field] ?? secret.root["metadata"]["name"]).refuse(error.message) }
        if !errors.isEmpty { return nil }
        certificates[secret.key] = upload
        return upload.name
    }

    /// The name of the certificate of a secret that may also have been imported before.
    mutating func certificate(named reference: String, in namespace: String, at node: ManifestNode) -> String? {
        let key = Self.key(reference, in: namespace)
        let parts = key.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = Self.name(parts[0], parts[1])
        if let secret = secrets[key] {
            if let made = certificate(of: secret) { return made }
            node.refuse("The Secret \(key) cannot become a certificate.")
        } else if stored.certificates[name] != nil {
            return name
        } else {
            node.refuse(
                "The Secret \(key) is not in the body, and there is no certificate \(name). Add it: `kubectl get secret"
                    + " -n \(parts[0]) \(parts[1]) -o yaml`.")
        }
        return nil
    }

    /// The authorities in a secret, in PEM.
    func authority(named reference: String, in namespace: String, at node: ManifestNode) -> String? {
        let key = Self.key(reference, in: namespace)
        guard let secret = secrets[key] else {
            node.refuse("The Secret \(key) is not in the body. Add it: its ca.crt says whose certificates count.")
            return nil
        }
        secret.root["type"].take()
        guard let text = value("ca.crt", of: secret), !text.isEmpty else {
            node.refuse("The Secret \(key) has no ca.crt.")
            return nil
        }
        return text
    }
}
