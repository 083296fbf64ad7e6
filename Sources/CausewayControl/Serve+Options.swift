// What the command line says, as the control plane takes it.

import ControlPlane
import Foundation

extension Serve {
    var options: ControlPlaneOptions {
        var options = ControlPlaneOptions(data: data, migrations: migrations)
        options.adminAddress = adminAddress
        options.adminPort = Int(adminPort)
        options.channel = channel
        options.channelGroup = channelGroup
        options.inspectSockets = inspectSocket
        options.gatewayAddress = gatewayAddress
        options.httpPort = httpPort
        options.httpsPort = httpsPort
        options.staticFolder = staticFolder
        options.settings = setting
        options.hosts = host
        options.bodyLimit = bodyLimit
        options.restoreLimit = restoreLimit
        options.adminRate = adminRate
        options.alertWebhookFile = alertWebhookFile
        options.alertAfter = alertAfter
        if let adminCertificate, let adminKey {
            options.adminCertificate = .files(certificate: adminCertificate, key: adminKey)
        } else {
            options.adminCertificate = adminCertificateName.map { .stored($0) }
        }
        options.allowsInsecureAdmin = allowInsecureAdmin
        options.allowsDumps = allowDumps
        let beside = "\(migrations)/../docs/openapi.yaml"
        options.apiDocument = openapi ?? (FileManager.default.fileExists(atPath: beside) ? beside : nil)
        return options
    }
}
