// Certificates for the tests, made by the openssl command in a folder of their own: what people upload comes from there.

import Foundation
import Seal
import Testing

/// A folder in which openssl runs; removed with the last reference.
final class Workshop: Sendable {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "tls-\(Hex.encode(Random.bytes(8)))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func path(_ name: String) -> String { folder.appending(path: name).path }

    func text(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: folder.appending(path: name)), as: UTF8.self)
    }

    func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: folder.appending(path: name))) }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: folder.appending(path: name))
    }

    func openssl(_ arguments: String...) throws { try openssl(arguments) }

    func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.currentDirectoryURL = folder
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "openssl \(arguments.joined(separator: " ")): \(said)")
    }
}

extension Workshop {
    /// `NAME.key`: of any kind that `openssl genpkey` knows.
    func key(_ name: String, _ algorithm: String, _ option: String? = nil) throws {
        if let option {
            try openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", "\(name).key")
        } else {
            try openssl("genpkey", "-algorithm", algorithm, "-out", "\(name).key")
        }
    }

    func ecKey(_ name: String) throws { try key(name, "EC", "ec_paramgen_curve:P-256") }

    /// `NAME.crt` for `NAME.key`, signed by itself or by `ISSUER.key`.
    func certificate(
        _ name: String, cn: String, issuer: String? = nil, extensions: [String] = [], options: [String] = []
    ) throws {
        var arguments = ["req", "-x509", "-new", "-key", "\(name).key", "-out", "\(name).crt", "-days", "30"]
        arguments += ["-subj", "/CN=\(cn)"]
        if let issuer { arguments += ["-CA", "\(issuer).crt", "-CAkey", "\(issuer).key"] }
        for text in extensions { arguments += ["-addext", text] }
        // Without extensions of the system's own configuration.
        try write("none.cnf", "[req]\ndistinguished_name=dn\n[dn]\n")
        try openssl(arguments + options + ["-config", "none.cnf"])
    }

    /// `NAME.crt` for `NAME.key`, signed by itself, with dates as `20200101000000Z`.
    func certificate(_ name: String, cn: String, from: String, to: String) throws {
        try write(
            "ca.cnf",
            """
            [ca]
            default_ca=d
            [d]
            new_certs_dir=.
            database=index-\(name).txt
            rand_serial=yes
            policy=p
            default_md=sha256
            x509_extensions=v3
            [p]
            commonName=supplied
            [v3]
            subjectAltName=DNS:\(cn)
            [req]
            distinguished_name=dn
            [dn]

            """)
        try write("index-\(name).txt", "")
        try openssl(
            "req", "-new", "-key", "\(name).key", "-subj", "/CN=\(cn)", "-config", "ca.cnf", "-out", "\(name).csr")
        try openssl(
            "ca", "-batch", "-selfsign", "-config", "ca.cnf", "-keyfile", "\(name).key", "-in", "\(name).csr",
            "-notext",
            "-startdate", from, "-enddate", to, "-out", "\(name).crt")
    }
}
