// A TLS certificate of the console. PEM comes in and never goes out again.

extension Console {
    /// What the API calls a TlsCertificate. `cert`, `key`, `pkcs12` and `passphrase` are write-only: `null` in every answer.
    package struct Certificate: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        @JSONField package var version: String? = nil
        @JSONField package var cert: String? = nil
        @JSONField package var key: Concealed<String>? = nil
        /// In place of both: a PKCS#12 file in base64.
        @JSONField package var pkcs12: Concealed<String>? = nil
        /// Opens an encrypted `key` or `pkcs12`; used once, never stored.
        @JSONField package var passphrase: Concealed<String>? = nil
        /// Read-only: the subject's common name, then the DNS names.
        @JSONField package var domains: [String]? = nil
        /// Read-only, `yyyy/MM/dd HH:mm:ssZ` in UTC.
        @JSONField package var validityStart: String? = nil
        @JSONField package var validityEnd: String? = nil
        /// Read-only: SHA-256 of the leaf, in hexadecimal.
        @JSONField package var fingerprint: String? = nil
        /// Read-only, as in `RSA 2048`.
        @JSONField package var keyType: String? = nil

        package init() {}

        package mutating func normalize() {
            if cert?.isEmpty == true { cert = nil }
            if key?.value.isEmpty == true { key = nil }
            if pkcs12?.value.isEmpty == true { pkcs12 = nil }
            if passphrase?.value.isEmpty == true { passphrase = nil }
        }

        /// Whether it brings a certificate, and not only the name of one.
        package var bringsKey: Bool { key != nil || pkcs12 != nil }

        /// The rules that need nothing but the request; parsing the PEM is `TLSMaterial`'s. Call `normalize` first.
        package func check(creating: Bool) -> Findings {
            var findings = Findings()
            if let problem = Syntax.problem(withName: name) { findings.refuse("name", problem) }
            if pkcs12 != nil {
                if cert != nil || key != nil {
                    findings.refuse("pkcs12", "Stands in place of cert and key: give the one or the others.")
                }
                return findings
            }
            switch (cert, key) {
            case (nil, nil):
                if creating {
                    findings.refuse("cert", "A certificate in PEM is required, or pkcs12 in place of cert and key.")
                    findings.refuse("key", "Its private key in PEM is required.")
                }
            case (nil, _):
                findings.refuse("cert", "Must be given together with key, or both left out to keep the stored ones.")
            case (_, nil):
                findings.refuse("key", "Must be given together with cert, or both left out to keep the stored ones.")
            default: break
            }
            return findings
        }

        /// Unix seconds as the console shows them: `yyyy/MM/dd HH:mm:ssZ`, in UTC.
        package static func text(ofTime seconds: Int64) -> String {
            let day = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
            let second = seconds - day * 86_400
            // Civil date from days since 1970-01-01, in eras of 400 years that begin on 1 March.
            let shifted = day + 719_468
            let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
            let dayOfEra = shifted - era * 146_097
            let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
            let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
            let monthFromMarch = (5 * dayOfYear + 2) / 153
            let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
            let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
            func padded(_ value: Int64, _ width: Int = 2) -> String {
                let digits = String(value)
                return String(repeating: "0", count: max(0, width - digits.count)) + digits
            }
            return "\(padded(year, 4))/\(padded(month))/\(padded(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1))"
                + " \(padded(second / 3_600)):\(padded(second / 60 % 60)):\(padded(second % 60))Z"
        }
    }
}
