// What people paste into the certificate form, as control plane and worker read it.

import FuzzDriver
import Seal
import TLSMaterial

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start else { return 0 }
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let text = String(decoding: bytes, as: UTF8.self)
    _ = try? CertificateAuthorities(pem: text)
    _ = try? CertificateInspection.inspect(certificatePEM: text, keyPEM: Secret(bytes), passphrase: nil)
    _ = try? CertificateInspection.inspect(pkcs12: Secret(bytes), passphrase: nil)
    _ = try? TLSIdentityLoader.load(certificateChain: text, privateKey: Secret(bytes))
    return 0
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
